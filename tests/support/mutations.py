"""Ways to damage files and to make them lie; every choice comes from a generator of fixed seed.

Each function takes a generator and gives bytes; `originals` has what they start from.
"""

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib

import numpy as np


def one_of(rng, choices):
    return choices[rng.integers(len(choices))]


# Any bytes


def cut(content, rng):
    return content[: rng.integers(len(content) + 1)]


def flip_bits(content, rng):
    changed = bytearray(content)
    for _ in range(one_of(rng, (1, 1, 1, 2, 8))):
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
    return bytes(changed)


def insert(content, rng):
    place = rng.integers(len(content) + 1)
    return content[:place] + rng.bytes(rng.integers(1, 9)) + content[place:]


def delete(content, rng):
    place = rng.integers(len(content))
    return content[:place] + content[place + rng.integers(1, 9) :]


def repeat(content, rng):
    first, last = sorted(rng.integers(len(content) + 1, size=2))
    return content[:last] + content[first:last] + content[last:]


def blank(content, rng):
    place, length = rng.integers(len(content)), int(rng.integers(1, 17))
    filler = one_of(rng, (b"\0", b"\xff", b" "))
    return content[:place] + filler * length + content[place + length :]


def exchange(content, rng):
    a, b, c = sorted(rng.integers(len(content) + 1, size=3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def surround(content, rng):
    junk = one_of(rng, (b"\xef\xbb\xbf", b"\0", bytes(100), b"\r\n", b"PK\x03\x04", b"<html>"))
    return junk + content if rng.integers(2) else content + junk


def another_file(content, rng):
    return one_of(
        rng,
        (b"", b"\0", content * 2, b"<!DOCTYPE html><html></html>", content.hex().encode(),
         content[::-1], gzip.compress(content, mtime=0), rng.bytes(len(content)),
         b"\x1f\x8b", b"PK\x05\x06" + bytes(18), b"\x93NUMPY", content.replace(b"\r", b"")),
    )  # fmt: skip


ANY = (cut, flip_bits, flip_bits, insert, delete, repeat, blank, exchange, surround, another_file)


def damage(content, rng):
    """Bytes with one or two kinds of damage."""
    for _ in range(one_of(rng, (1, 1, 1, 2))):
        content = one_of(rng, ANY)(content or b"\0", rng)
    return content


# IDX and gzip


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape)
    return header + array.tobytes()


def idx_header(content, rng):
    """A header that lies about type, axes or sizes."""
    kind, axes = content[2], content[3]
    sizes = list(struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes]))
    pixels = content[4 + 4 * axes :]
    lie = rng.integers(6)
    place = rng.integers(axes)
    if lie == 0:
        kind = one_of(rng, (0, 8, 9, 0x0B, 0x0C, 0x0D, 0x0E, 255))
    elif lie == 1:
        axes = int(one_of(rng, (0, 1, 2, 3, 4, 64, 65, 255)))
        sizes = [int(one_of(rng, (0, 1, 2, 2**32 - 1))) for _ in range(axes)]
    elif lie == 2:
        sizes[place] = int(one_of(rng, (0, 1, 2**16, 2**31, 2**32 - 1, rng.integers(2**32))))
    elif lie == 3:
        sizes[place] = max(0, sizes[place] + int(one_of(rng, (-1, 1))))
    elif lie == 4:  # the product stays
        rng.shuffle(sizes)
    else:
        sizes = [1, *sizes] if rng.integers(2) else [*sizes, 1]
        axes += 1
    return struct.pack(f">HBB{len(sizes)}I", 0, kind, axes, *sizes) + pixels


def idx_file(array, rng):
    content = idx(array)
    return idx_header(content, rng) if rng.integers(3) == 0 else damage(content, rng)


def gzip_member(content, rng, **lies):
    """One member, written out here, with optional fields that nobody uses and with lies."""
    flags, optional = 0, b""
    if rng.integers(2):
        extra = rng.bytes(rng.integers(20))
        flags, optional = flags | 4, optional + struct.pack("<H", len(extra)) + extra
    for bit in (8, 16):  # a name, a comment
        if rng.integers(2):
            flags, optional = flags | bit, optional + b"train \xe4\0"
    head = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, flags, rng.integers(2**32), 0, 255) + optional
    packer = zlib.compressobj(one_of(rng, (0, 1, 9)), zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    crc = lies.get("crc", zlib.crc32(content))
    return head + packed + struct.pack("<II", crc, lies.get("size", len(content) % 2**32))


def gzip_file(array, rng):
    """An IDX file packed honestly, packed with lies, or damaged before or afterwards."""
    content = idx(array)
    half = len(content) // 2
    kind = rng.integers(12)
    if kind == 0:
        return gzip_member(content, rng)
    if kind == 1:
        return gzip_member(content[:half], rng) + gzip_member(content[half:], rng)
    if kind == 2:
        return gzip_member(content, rng) + bytes(rng.integers(1, 600))
    if kind == 3:
        return gzip_member(content, rng, size=int(one_of(rng, (0, 1, half, 2**32 - 1))))
    if kind == 4:
        return gzip_member(content, rng, crc=int(rng.integers(2**32)))
    if kind == 5:
        return gzip_member(content, rng) * int(rng.integers(2, 4))
    if kind == 6:
        return gzip_member(b"", rng) * int(rng.integers(1, 4)) + gzip_member(content, rng)
    if kind == 7:
        return gzip_member(content + bytes(one_of(rng, (1, 10_000, 300_000))), rng)
    if kind == 8:
        return gzip_member(gzip_member(content, rng), rng)
    if kind == 9:
        return gzip_member(idx_file(array, rng), rng)
    return damage(gzip_member(content, rng), rng)


# Arrays and archives of NumPy


class Creates:
    """What, when it is unpickled, creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def npy(array, **header):
    """An array in NumPy's format; what is given by name takes the place of the truth."""
    fields = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    text = header.get("text", repr(fields | header.get("fields", {}))).encode("latin1")
    version = header.get("version", b"\x01\x00")
    width = 2 if version[0] == 1 else 4
    text += b" " * (-(len(text) + 9 + width) % 64) + b"\n"
    length = header.get("length", len(text)) % 256**width
    start = header.get("magic", b"\x93NUMPY") + version + length.to_bytes(width, "little")
    return start + text + array.tobytes()


SHAPES = (
    (), (0,), (-1,), (1,), (6,), (120,), (6, 20), (6, 4, 5), (6, 5, 4), (4, 6, 5), (3, 4, 5),
    (6, 4, 5, 1), (6, 1, 4, 5), (7, 4, 5), (10**12,), (10**30,), (2**32, 2**32), (2**63, 2),
    (-6, -4, 5), (6, 4, 0), (0, 4, 5), (0, 10**18), (True, 4, 5), (1,) * 65, (2**64 + 120,),
    "6", None, [6, 4, 5], (6.0, 4, 5), ("6",), {"a": 1},
)  # fmt: skip
DTYPES = (
    "|u1", "<u1", "|i1", "<u2", ">u2", "<i4", ">i8", "<f2", "<f4", ">f4", "<f8", "<f16", "<c8",
    "|b1", "|O", "O", "|S0", "|S1", "|S1000000000", "<U0", "<U5", "|V0", "|V7", "<M8[s]", "<m8",
    "u1,u1", "(2,3)u1", "3u1", "x", "", None, 3, [("a", "|u1")], [("a", "|O")], "|u1\0",
    "|u1" * 999,
)  # fmt: skip
TEXTS = (
    "", "{}", "[]", "None", "(" * 5000, "[" * 200, "-" * 9000 + "1", "{'descr': open('x', 'w')}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (6L, 4L, 5L), }", "\0" * 50,
    "{'descr': '|u1', 'fortran_order': 2, 'shape': (6, 4, 5)}", "x" * 20_000,
    "{'descr': '|u1', 'shape': (6, 4, 5)}",
    "{'descr': '|u1', 'fortran_order': True, 'shape': (6,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}",
)  # fmt: skip


def npy_file(array, rng):
    """An array in NumPy's format that lies, behind a checksum that holds."""
    kind = rng.integers(9)
    if kind <= 2:
        return npy(array, fields={"shape": one_of(rng, SHAPES)})
    if kind <= 4:
        return npy(array, fields={"descr": one_of(rng, DTYPES)})
    if kind == 5:
        return npy(array, text=one_of(rng, TEXTS))
    if kind == 6:
        version = bytes(rng.integers(5, size=2, dtype=np.uint8))
        return npy(array, version=version if version[0] else b"\x02\x00")
    if kind == 7:
        return npy(array, length=int(one_of(rng, (0, 1, 50, 117, 119, 2**16 - 1, 2**32 - 1))))
    return damage(npy(array), rng)


def other_values(array, rng, trap):
    """Honest arrays, of values and types that may not be what they should."""
    array = np.atleast_1d(array)
    if array.dtype.kind == "U":
        array = array.view(np.uint32)
    return one_of(
        rng,
        (array.astype(np.float32) / 255, array.astype(np.float64), array.astype(">i4"),
         np.asfortranarray(array.astype(np.float16) / 255), array.astype(np.int64) - 1,
         array.astype(np.uint64) + np.uint64(2**63), array.astype(np.int64) * 10**9,
         array.astype(np.complex64), array > 1, array.astype(str), array.astype("M8[s]"),
         np.full(array.shape, np.nan), np.full(array.shape, np.inf, np.float32),
         np.full(array.shape, 1e300), array[None], array[..., None], array[:0], array[0],
         array[:-1], array.reshape(-1), np.array(3), np.array([None, 1]),
         np.array([trap], dtype=object), array.view([("a", "u1")]), array.astype(np.longdouble)),
    )  # fmt: skip


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
           zipfile.ZIP_LZMA)  # fmt: skip


def archive(members, method=zipfile.ZIP_STORED, comment=b""):
    """A zip file of (name, bytes); names may come twice."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            if name in file.NameToInfo:
                del file.NameToInfo[name]  # so that nobody warns
            file.writestr(entry, content)
        file.comment = comment
    return stream.getvalue()


ENTRIES = {  # signature: where its fields begin, and how many bytes each has
    b"PK\x03\x04": ((4, 2), (6, 2), (8, 2), (10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    b"PK\x01\x02": ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 4), (24, 4), (28, 2),
                    (30, 2), (32, 2), (34, 2), (36, 2), (38, 4), (42, 4)),
    b"PK\x05\x06": ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
}  # fmt: skip


def zip_fields(content, rng):
    """One or two fields of a zip file's headers, changed."""
    changed = bytearray(content)
    for _ in range(one_of(rng, (1, 1, 2))):
        signature = one_of(rng, list(ENTRIES))
        places = [i for i in range(len(content)) if content.startswith(signature, i)]
        offset, width = one_of(rng, ENTRIES[signature])
        place = one_of(rng, places) + offset
        old = int.from_bytes(changed[place : place + width], "little")
        most = 256**width - 1
        new = one_of(rng, (0, 1, old + 1, old - 1, old * 2, most, most // 2, len(content),
                           int(rng.integers(most)), 8, 12, 14))  # fmt: skip
        changed[place : place + width] = (new % (most + 1)).to_bytes(width, "little")
    return bytes(changed)


def npz_file(arrays, rng, trap):
    """An archive of arrays that is honest, lies, or is damaged."""
    members = {f"{key}.npy": saved(array) for key, array in arrays.items()}
    kind = rng.integers(16)
    name = one_of(rng, list(members))
    array = arrays[name.removesuffix(".npy")]
    method = one_of(rng, METHODS[:3])
    if kind <= 2:
        return zip_fields(archive(members.items(), method), rng)
    if kind <= 5:
        members[name] = npy_file(array, rng)
    elif kind <= 7:
        members[name] = saved(other_values(array, rng, trap))
    elif kind == 8:
        method = one_of(rng, METHODS)
    elif kind == 9:
        return archive([*members.items(), (name, one_of(rng, list(members.values())))], method)
    elif kind == 10:
        other = one_of(rng, list(members))
        members[name], members[other] = members[other], members[name]
    elif kind == 11:
        content = members.pop(name)
        odd = ("", name[:-4], name + "\0", name.upper(), "../" + name, "/" + name, "é" + name,
               "\x1b[2J", "日本", name + "/", "x" * 5000)  # fmt: skip
        members[one_of(rng, odd)] = content
    elif kind == 12:
        members[one_of(rng, ("z.npy", "README", "a/b.npy", name[:-4]))] = rng.bytes(50)
    elif kind == 13:
        members[name] = one_of(
            rng, (b"", pickle.dumps(trap), pickle.dumps(trap, 0), bytes(200_000), rng.bytes(90))
        )
    else:
        return damage(archive(members.items(), method), rng)
    return archive(members.items(), method, comment=one_of(rng, (b"", b"comment")))


# JSON

VALUES = (
    "null", "true", "false", "0", "-0.0", "1", "-1", "2", "1.5", "1e3", "1e400", "-1e400", "1e-400",
    "NaN", "Infinity", "-Infinity", '""', '"x"', '"1"', '"\\ud800"', '"\\u0000"', '"\\u001b[2J"',
    "[]", "[1]", "[0, 4, 5]", "[1, 4, 5]", '["1", 4, 5]', "[1, 4, 5.0]", "[true, 4, 5]",
    "[[1, 4, 5]]",
    "[1, 99999, 99999]", "[999999999999999999999999, 4, 5]", "{}", '{"a": 1}', "9" * 30, "9" * 4000,
    "9" * 5000, "-" + "9" * 30, "1000000000", '"' + "x" * 5000 + '"', "[" * 50 + "]" * 50,
    "[" * 100_000 + "]" * 100_000, "[" + "1," * 5000 + "1]", '"linear"', '"mnist5k"', '"lenet5"',
    '"no/such.py:f"', '"~nobody-here/m.py:f"',
)  # fmt: skip


def with_value(config, key, value):
    """A JSON object in which one key has the given text as its value."""
    return json.dumps(config | {key: "PLACE"}).replace('"PLACE"', value).encode()


def json_file(config, rng):
    """The JSON of a config with a value changed, a key missing, twice or new, or damaged."""
    text = json.dumps(config)
    key = one_of(rng, list(config))
    kind = rng.integers(7)
    if kind == 0:
        return with_value(config, key, one_of(rng, VALUES))
    if kind == 1:
        other = one_of(rng, list(config))
        return json.dumps(config | {key: config[other], other: config[key]}).encode()
    if kind == 2:
        return (text[:-1] + f', "{key}": {one_of(rng, VALUES[:30])}}}').encode()
    if kind == 3:
        return text.encode(one_of(rng, ("utf-16", "utf-32", "utf-8-sig", "utf-16-be", "utf-7")))
    if kind == 4:
        old, new = one_of(rng, ((":", "="), (",", ",,"), ('"', "'"), ("}", ""), ("1", "1_0"),
                                (" ", "\t"), (" ", "\0"), ("[", "("), ("l", "L"), ("0", "-"),
                                ("{", "{" * 3000), ("1", "0x1"), ("1", "9")))  # fmt: skip
        return text.replace(old, new, int(one_of(rng, (1, 100)))).encode()
    return damage(text.encode(), rng)


# Small files that would be large


def idx_bomb():
    """A gzip file of 1 KB that promises 1 GB and holds 1 MB."""
    header = struct.pack(">HBB3I", 0, 8, 3, 1000, 1000, 1000)
    return gzip.compress(header + bytes(1_000_000), 9, mtime=0)


def idx_lie(axes):
    """An IDX file of 1 MB that promises as much as a file of its size could hold, packed."""
    return struct.pack(">HBB3I", 0, 8, 3, 1000, 1000, 1000)[: 4 + 4 * axes] + bytes(1_000_000)


def npz_promise(arrays, shape):
    """An archive of which one header promises an array of that shape."""
    members = {f"{key}.npy": saved(array) for key, array in arrays.items()}
    first = next(iter(members))
    members[first] = npy(next(iter(arrays.values())), fields={"shape": shape})
    return archive(members.items())


def npz_zeros(arrays, size, method):
    """An archive of which one array is that many zeros, as all its headers say."""
    members = {f"{key}.npy": saved(array) for key, array in arrays.items()}
    members[next(iter(members))] = npy(np.zeros(size, np.uint8))
    return archive(members.items(), method)


def npz_overlapping(count, size):
    """An archive of many arrays of zeros that all are the same bytes of the file.

    The header of each says that those of the others are an extra field of its own.
    """
    array = npy(np.zeros(size, np.uint8))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(array) + packer.flush()
    fields = struct.pack("<3HI3I", 20, 0, 8, 0, zlib.crc32(array), len(packed), len(array))[2:]
    names = [b"z%03d.npy" % i for i in range(count)]
    length = 30 + len(names[0])
    local = central = b""
    for i, name in enumerate(names):
        rest = (count - 1 - i) * length
        central += b"PK\x01\x02" + struct.pack("<HH", 20, 20) + fields
        central += struct.pack("<5H2I", len(name), 0, 0, 0, 0, 0, len(local)) + name
        local += b"PK\x03\x04" + struct.pack("<H", 20) + fields
        local += struct.pack("<HH", len(name), rest) + name
    local += packed
    sizes = count, count, len(central), len(local)
    return local + central + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, *sizes, 0)
