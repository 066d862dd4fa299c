"""Pack hand-ins as students do, and field by field as attackers do."""

import bz2
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LOCAL, CENTRAL, END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
UTF8, ENCRYPTED = 0x800, 0x1
STORED, DEFLATED, DEFLATE64, BZIP2, LZMA, AES = 0, 8, 9, 12, 14, 99
REGULAR = stat.S_IFREG | 0o644

HANDIN: Mapping[str, bytes] = {
    "dlvc/__init__.py": b"",
    "dlvc/metrics.py": b"class SegMetrics:\n    pass\n",
    "dlvc/trainer.py": b"import torch\n\nfrom .metrics import SegMetrics\n",
    "dlvc/models/segformer.py": b"from torch import nn\n",
    "dlvc/dataset/oxfordpets.py": b"import torchvision\n",
    "train.py": b"from dlvc.metrics import SegMetrics\n",
    "train_segformer.py": b"from dlvc.trainer import SegMetrics\n",
    "report.pdf": b"%PDF-1.7\n%%EOF\n",
}


def files_of(folder: Path) -> dict[str, bytes]:
    """The files below `folder` by posix path, without caches and hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    }


def under(wrapper: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files within the folder `wrapper`."""
    return {f"{wrapper}/{name}": content for name, content in files.items()}


def zip_bytes(content: Mapping[str, bytes] | Path, wrapper: str | None = None) -> bytes:
    """A zip of named contents or of a folder, the same bytes each time; within `wrapper` if given."""
    files = files_of(content) if isinstance(content, Path) else dict(content)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in (under(wrapper, files) if wrapper else files).items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def pack(target: Path, content: Mapping[str, bytes] | Path = HANDIN, wrapper: str | None = "group_7") -> Path:
    """Write such a zip to `target` and return its path."""
    target.write_bytes(zip_bytes(content, wrapper))
    return target


def unpack(target: Path, files: Mapping[str, bytes] = HANDIN) -> Path:
    """Write the files into the folder `target` and return its path."""
    for name, data in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return target


@dataclass(frozen=True)
class Entry:
    """An entry of a zip, every field of which can lie; None stands for the truth."""

    name: bytes
    content: bytes = b""
    method: int = DEFLATED
    flags: int = UTF8
    mode: int = REGULAR
    system: int = 3
    extra: bytes = b""
    packed: bytes | None = None
    packed_size: int | None = None
    size: int | None = None
    checksum: int | None = None
    local_name: bytes | None = None
    local_flags: int | None = None
    local_method: int | None = None
    local_extra: bytes = b""
    offset: int | None = None

    @property
    def data(self) -> bytes:
        """What stands in the zip."""
        if self.packed is not None:
            return self.packed
        if self.method == BZIP2:
            return bz2.compress(self.content)
        if self.method == STORED:
            return self.content
        deflate = zlib.compressobj(wbits=-15)
        return deflate.compress(self.content) + deflate.flush()

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Checksum, packed size and size, as declared."""
        return (
            zlib.crc32(self.content) if self.checksum is None else self.checksum,
            len(self.data) if self.packed_size is None else self.packed_size,
            len(self.content) if self.size is None else self.size,
        )

    @property
    def local(self) -> bytes:
        """The local header and the data."""
        name = self.name if self.local_name is None else self.local_name
        flags = self.flags if self.local_flags is None else self.local_flags
        method = self.method if self.local_method is None else self.local_method
        head = (b"PK\3\4", 20, flags, method, 0, 33, *self.sizes, len(name), len(self.local_extra))
        return LOCAL.pack(*head) + name + self.local_extra + self.data

    def central(self, offset: int) -> bytes:
        """The entry of the directory."""
        made_by, attributes = self.system << 8 | 20, self.mode << 16
        head = (b"PK\1\2", made_by, 20, self.flags, self.method, 0, 33, *self.sizes)
        start = offset if self.offset is None else self.offset
        tail = (len(self.name), len(self.extra), 0, 0, 0, attributes, start)
        return CENTRAL.pack(*head, *tail) + self.name + self.extra


def raw_zip(entries: Iterable[Entry], count: int | None = None, directory_bytes: int | None = None) -> bytes:
    """A zip of these entries; those with an offset of their own have no local header. The count may lie."""
    body, directory, number = bytearray(), bytearray(), 0
    for entry in entries:
        directory += entry.central(len(body))
        body += b"" if entry.offset is not None else entry.local
        number += 1
    declared = min(number, 0xFFFF) if count is None else count
    size = len(directory) if directory_bytes is None else directory_bytes
    return bytes(body + directory + END.pack(b"PK\5\6", 0, 0, declared, declared, size, len(body), 0))
