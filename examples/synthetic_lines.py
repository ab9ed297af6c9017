"""The synthetic lines from end to end: data, model, training, evaluation, prediction."""

import numpy as np

import fcnn


def main():
    """Train on 600 images of lines and tell columns, rows and diagonals apart."""
    train, (x_test, labels_test) = fcnn.data.synthetic_lines(seed=0)
    model = fcnn.models.lines_cnn()
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    print(fcnn.tree.describe(params))

    for record in fcnn.fit(
        model, params, fcnn.sgd(0.01, momentum=0.9), train, epochs=2, batch_size=32, seed=0
    ):
        print(f"Epoch {record.epoch}: training loss {record.train_loss:.4f}")

    result = fcnn.evaluate(model, record.params, x_test, labels_test)
    print(f"Test accuracy: {result.accuracy:.2%}")
    print(f"By class: {[f'{accuracy:.0%}' for accuracy in result.per_class_accuracy]}")
    kinds = ["column", "row", "diagonal"]
    predicted = fcnn.predict(model, record.params, x_test[:3]).argmax(1)
    print(f"The first three test images show a {', a '.join(kinds[k] for k in predicted)}")


if __name__ == "__main__":
    main()
