"""Make fcnn/data/mnist5k.npz, the digits that come with fcnn, from the files of MNIST.

    python tools/make_mnist5k.py FOLDER

FOLDER holds MNIST's four IDX files; their hashes are verified. The same files and the
same zlib give the same bytes. Prints the SHA-256 that fcnn/data/embedded.py expects.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from fcnn.data import embedded
from fcnn.data.mnist_files import place, read_files
from fcnn.data.npz import KEYS
from fcnn.numerics.arrays import Array

TARGET = Path(__file__).resolve().parent.parent / "fcnn" / "data" / embedded.FILE_NAME


def main() -> None:
    """Make the file and say what it is."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/make_mnist5k.py FOLDER")
    arrays = first_digits(Path(sys.argv[1]))
    TARGET.write_bytes(pack(arrays))
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes, SHA-256 {embedded.digest(arrays.values())}")


def first_digits(folder: Path) -> dict[str, Array]:
    """The first 5,000 training and 1,000 test images, (N, H, W) bytes, and their labels."""
    counts = (embedded.TRAIN_COUNT,) * 2 + (embedded.TEST_COUNT,) * 2
    arrays = zip(KEYS, read_files(*place(folder)), counts, strict=True)
    return {key: array[:count] for key, array, count in arrays}


def pack(arrays: dict[str, Array]) -> bytes:
    """An .npz file of the arrays, compressed, that is the same whenever it is made."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for key, array in arrays.items():
            member = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            # Every Python has zlib; LZMA would save 125 KB and is missing from some.
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3  # else it would tell Windows from the others
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(member, content.getvalue(), compresslevel=9)
    return packed.getvalue()


if __name__ == "__main__":
    main()
