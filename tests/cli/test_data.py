"""`fcnn data`: the data sets that are there, and fetching MNIST."""

from commands import call


def test_what_is_there_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("FCNN_DATA_DIR", str(tmp_path / "empty"))
    text = call("data").stdout
    assert "mnist5k (embedded): 5,000 training and 1,000 test images" in text
    assert "hash holds" in text
    assert "missing" in text
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "t10k-labels-idx1-ubyte").write_bytes(b"not at all")
    call("data", code=3)


def test_a_download_does_not_fill_a_cache_that_nobody_reads(monkeypatch, tmp_path):
    monkeypatch.setenv("FCNN_DATA_DIR", str(tmp_path))
    stderr = call("data", "download", code=3).stderr
    assert "FCNN_DATA_DIR is set, and MNIST is not complete in" in stderr


def test_missing_mnist_is_missing_data(monkeypatch, tmp_path):
    monkeypatch.setenv("FCNN_DATA_DIR", str(tmp_path / "empty"))
    assert "empty" in call("train", "--data", "mnist", code=3).stderr
