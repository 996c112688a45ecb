"""Strategies that turn a whole file into a damaged one, at the level at which its readers look at it."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

# Lengths, offsets and counts at which programs break.
EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
ODD_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "nan",
        "inf",
        "-inf",
        "1e309",
        "-1",
        "0",
        "1e-320",
        "99999999999999999999",
        "0x10",
        "1_000",
        "\u0663",
    ),
    *("../../outside", "/etc/passwd", "~", "a" * 300, "x/" * 600, "\ufeff", "\u2028", "\r", "%s%n", "$(touch outside)"),
    *("'; touch outside; '", "\ud7ff", "\x85", "None", "true", "[]", "{}"),
)
ODD_VALUES = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**200, -(2**63), 0.5, 1e308, math.inf, -math.inf, math.nan, "", "x"),
    *([], {}, [[]], [None], {"": None}, [1, 2, 3], "../../outside", "/etc/passwd", "\0", "a" * 5000, "\u2028"),
)
POSITIONS = st.integers(0, 2**24)


@st.composite
def damaged_bytes(draw: Callable, wholes: Sequence[bytes], most: int = 6) -> bytes:
    """One of `wholes` with bits flipped, numbers overwritten, parts cut out, doubled, zeroed or taken from another."""
    data = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, most))):
        at = draw(POSITIONS) % (len(data) + 1)
        how = draw(st.sampled_from(("flip", "edge", "cut", "end", "double", "zero", "splice", "insert")))
        size = draw(st.integers(1, 64))
        if how == "flip" and at < len(data):
            data[at] ^= 1 << (size % 8)
        elif how == "edge":
            width = draw(st.sampled_from(("<B", "<H", ">H", "<I", ">I")))
            number = draw(st.sampled_from(EDGES)) & ((1 << 8 * struct.calcsize(width)) - 1)
            data[at : at + struct.calcsize(width)] = struct.pack(width, number)
        elif how == "cut":
            del data[at : at + size]
        elif how == "end":
            del data[at:]
        elif how == "double":
            data[at:at] = data[at : at + size]
        elif how == "zero":
            data[at : at + size] = bytes(len(data[at : at + size]))
        elif how == "splice":
            other = draw(st.sampled_from(wholes))
            data[at:] = other[draw(POSITIONS) % (len(other) + 1) :]
        else:
            data[at:at] = draw(st.binary(max_size=16))
    return bytes(data)


@st.composite
def damaged_text(draw: Callable, wholes: Sequence[str]) -> bytes:
    """A text with fields replaced, lines lost, doubled, joined or swapped, in one of several encodings."""
    lines = [line.split(" ") for line in draw(st.sampled_from(wholes)).splitlines()]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(POSITIONS) % max(1, len(lines))
        how = draw(st.sampled_from(("field", "field", "field", "lose", "double", "join", "number", "free")))
        if not lines or how == "free":
            lines.insert(at, [draw(st.text(max_size=20))])
        elif how in ("field", "number"):
            place = draw(POSITIONS) % (len(lines[at]) + 1)
            odd = st.sampled_from(ODD_TEXTS) if how == "field" else st.floats().map(str)
            lines[at][place : place + draw(st.integers(0, 1))] = [draw(odd)]
        elif how == "lose":
            del lines[at]
        elif how == "double":
            lines.insert(at, list(lines[at]))
        elif how == "join" and at + 1 < len(lines):
            lines[at] += lines.pop(at + 1)
    end = draw(st.sampled_from(("\n", "\n", "\r\n", "\r", "\n\n")))
    encoding = draw(st.sampled_from(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")))
    return end.join(map(" ".join, lines)).encode(encoding, errors="replace")


def nodes(tree: Any, place: tuple = ()) -> list[tuple]:
    """Places of everything in a tree of dictionaries and lists."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place, *(found for key, child in children for found in nodes(child, (*place, key)))]


def replaced(tree: Any, place: tuple, value: Any) -> Any:
    """The tree with another value at a place; `...` removes what is there."""
    if not place:
        return None if value is ... else value
    key, *rest = place
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    if not rest and value is ...:
        del copy[key]
    else:
        copy[key] = replaced(copy[key], tuple(rest), value)
    return copy


@st.composite
def damaged_tree(draw: Callable, whole: Any, odd: Sequence[Any] = ODD_VALUES) -> Any:
    """A tree with entries replaced, removed, or swapped for other parts of it."""
    tree = whole
    for _ in range(draw(st.integers(1, 3))):
        places = nodes(tree)
        place = places[draw(POSITIONS) % len(places)]
        if draw(st.booleans()):
            tree = replaced(tree, place, draw(st.sampled_from((..., *odd))))
        else:
            other = tree
            for key in places[draw(POSITIONS) % len(places)]:
                other = other[key]
            tree = replaced(tree, place, other)
    return tree


def json_bytes(tree: Any) -> bytes:
    return json.dumps(tree).encode()


def damaged_json(*wholes: Any) -> st.SearchStrategy[bytes]:
    """Trees with odd values, damaged texts, and depths and numbers that parsers give up on."""
    texts = [json_bytes(whole) for whole in wholes]
    deep = st.sampled_from(
        (b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b"1" * 10_000, b"[" * 900 + b"]" * 900)
    )
    trees = st.one_of([damaged_tree(whole).map(json_bytes) for whole in wholes])
    return st.one_of(trees, trees, trees, damaged_bytes(texts), deep)


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 8
    while at + 8 <= len(data):
        length = struct.unpack_from(">I", data, at)[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_bytes(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


BOMB = zlib.compress(bytes(30_000_000), 9)


@st.composite
def damaged_png(draw: Callable, wholes: Sequence[bytes]) -> bytes:
    """Right checksums around other sizes, kinds of pixels, texts and lengths; also bombs."""
    chunks = png_chunks(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 3))):
        how = draw(st.sampled_from(("header", "size", "drop", "double", "content", "text", "pixels")))
        at = draw(POSITIONS) % max(1, len(chunks))
        if how in ("header", "size") and chunks and len(chunks[0][1]) == 13:
            header = bytearray(chunks[0][1])
            place = draw(st.integers(8, 12)) if how == "header" else draw(st.sampled_from((0, 4)))
            sizes = st.sampled_from((0, 1, 2, 17, 4096, 13_000, 60_000, 2**31 - 1, 2**32 - 1))
            new = bytes([draw(st.integers(0, 17))]) if how == "header" else struct.pack(">I", draw(sizes))
            header[place : place + len(new)] = new
            chunks[0] = (chunks[0][0], bytes(header))
        elif how == "drop" and len(chunks) > 1:
            del chunks[at]
        elif how == "double" and chunks:
            chunks.insert(at, chunks[at])
        elif how == "content" and chunks:
            kind, data = chunks[at]
            chunks[at] = kind, draw(damaged_bytes([data or b"\0"], 2))
        elif how == "text":
            kind = draw(
                st.sampled_from((b"zTXt", b"iCCP", b"tEXt", b"eXIf", b"tRNS", b"PLTE", b"gAMA", b"iTXt", b"acTL"))
            )
            content = st.sampled_from(
                (b"name\0\0" + BOMB, b"", b"\0" * 12, b"MM\0*\0\0\0\x08" + b"\0\x01" * 7, b"Exif\0\0II*\0")
            )
            chunks.insert(min(1, len(chunks)), (kind, draw(content)))
        else:
            chunks.insert(max(1, len(chunks) - 1), (b"IDAT", draw(st.sampled_from((b"", b"x\x9c", BOMB[:2000])))))
    return png_bytes(chunks)


def zip_bytes(members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ODD_NAMES = (
    *("../../outside.txt", "/outside.txt", "C:\\outside.txt", "a" * 300, "folder/", "..", "./x", "\u2028"),
    *("data.npy", "lines.npy", "0000.npy", "0001.npy"),
)


@st.composite
def damaged_zip(
    draw: Callable, members: dict[str, bytes], content: Callable[[bytes], st.SearchStrategy[bytes]]
) -> bytes:
    """Members renamed, lost, swapped, or with damaged content in a sound archive; then damage to the archive itself."""
    found = dict(members)
    for _ in range(draw(st.integers(0, 3))):
        if not found:
            break
        name = draw(st.sampled_from(sorted(found)))
        how = draw(st.sampled_from(("content", "content", "lose", "rename", "swap")))
        if how == "content":
            found[name] = draw(content(found[name]))
        elif how == "lose":
            del found[name]
        elif how == "rename":
            found[draw(st.sampled_from(ODD_NAMES))] = found.pop(name)
        else:
            other = draw(st.sampled_from(sorted(found)))
            found[name], found[other] = found[other], found[name]
    kind = draw(st.sampled_from((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))
    whole = zip_bytes(found, kind)
    return draw(st.one_of(st.just(whole), damaged_bytes([whole], 3)))


@st.composite
def damaged_npy(draw: Callable, wholes: Sequence[bytes]) -> bytes:
    """An array whose header says another shape, type or order; or damaged bytes."""
    whole = draw(st.sampled_from(wholes))
    if draw(st.booleans()) or whole[:6] != b"\x93NUMPY":
        return draw(damaged_bytes([whole], 3))
    start = 10 + struct.unpack_from("<H", whole, 8)[0]
    shape = draw(st.sampled_from(("()", "(0,)", "(4, 6)", "(-1, 6)", "(2, 4, 6)", "(1000000, 1000000)", "(99999999999,)", "(1,)",
                                  "('a',)", "[4, 6]", "(4.0, 6)", "(60000, 60000)")))  # fmt: skip
    kind = draw(st.sampled_from(("'<f4'", "'<f8'", "'|O'", "'<c16'", "'|S1'", "'<U9'", "'<M8[s]'", "'|V4'", "'>f4'", "'|b1'",
                                 "[('a', '<f4')]", "'<f2'", "'<i8'", "3", "'|O8'", "'<f16'")))  # fmt: skip
    order = draw(st.sampled_from(("False", "True", "None")))
    text = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}".ljust(117) + "\n"
    return whole[:8] + struct.pack("<H", len(text)) + text.encode() + whole[start:]
