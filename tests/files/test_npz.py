"""Archives whose headers or directories do not tell the truth."""

import io
import zipfile

import mutations
import numpy as np
import pytest

from fcnn.files.npz import opened_archive


def archive_of(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_wrote_is_read(order):
    stream, a = io.BytesIO(), np.arange(6.0).reshape(2, 3).copy(order)
    np.savez_compressed(stream, a=a, b=np.int8(3))
    with opened_archive(stream) as arrays:
        assert list(arrays) == ["a", "b"]
        read = arrays["a"].read()
        np.testing.assert_array_equal(read, a)
        assert read.strides == a.strides
        assert arrays["b"].read() == 3


@pytest.mark.parametrize(
    ("announced", "how"), [(b"(3,)", "less"), (b"(5,)", "more"), (b"(0,)", "nothing")]
)
def test_a_header_that_lies_about_the_length_is_refused(announced, how):
    content = npy(np.arange(4)).replace(b"(4,)", announced)
    with (
        opened_archive(archive_of(a=content)) as arrays,
        pytest.raises(ValueError, match="its length is not that of int64"),
    ):
        arrays["a"].read()


@pytest.mark.parametrize("changed", [lambda c: c[:-1], lambda c: c + b"\0"], ids=["cut", "longer"])
def test_a_member_of_another_length_than_its_header_says_is_refused(changed):
    content = changed(npy(np.arange(4)))
    with (
        opened_archive(archive_of(a=content)) as arrays,
        pytest.raises(ValueError, match="its length is not that of int64"),
    ):
        arrays["a"].read()


def test_members_that_share_their_bytes_are_refused():
    stream = io.BytesIO(mutations.npz_overlapping(50, 1 << 18))
    with (
        pytest.raises(ValueError, match="what it holds is longer than the file"),
        opened_archive(stream),
    ):
        pass


def test_a_name_that_comes_twice_is_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("a", "a.npy"):
            archive.writestr(name, npy(np.arange(4)))
    with pytest.raises(ValueError, match="it holds 'a' twice"), opened_archive(stream):
        pass
