# SPDX-License-Identifier: Apache-2.0
"""OCI image layouts made by hand: each layer is a tar archive whose entries a test lists one by one."""

import gzip
import hashlib
import io
import json
import os
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def entry(name, data=None, kind=None, link="", mode=None, xattrs=(), **fields):
    """(TarInfo, bytes). A file when there is data, else a directory; or `kind`, a tarfile type."""
    info = tarfile.TarInfo(name)
    data = data.encode() if isinstance(data, str) else data
    info.type = kind or (tarfile.REGTYPE if data is not None else tarfile.DIRTYPE)
    info.mode = mode if mode is not None else (0o755 if info.type == tarfile.DIRTYPE else 0o644)
    info.linkname = link
    info.mtime = 1_000_000_000
    info.size = len(data or b"")
    info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in dict(xattrs).items()}
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data or b""


def tar(*entries):
    out = io.BytesIO()
    for info, data in entries:
        # tarfile would strip leading slashes of names and more: what is written is what the test says.
        out.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        out.write(data + b"\0" * (-len(data) % 512))
    out.write(b"\0" * 1024)
    return out.getvalue()


def digest(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Layout:
    """A directory that is filled blob by blob."""

    def __init__(self, path):
        self.path = path
        self.manifests = []
        os.makedirs(os.path.join(path, "blobs"), exist_ok=True)
        self.put("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())

    def put(self, name, data):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def blob(self, data, kind, algorithm="sha256", **more):
        name = digest(data, algorithm)
        self.put("blobs/" + name.replace(":", "/"), data)
        return {"mediaType": kind, "digest": name, "size": len(data), **more}

    def document(self, value, kind, **more):
        return self.blob(json.dumps(value).encode(), kind, **more)

    def image(self, *layers, name="test", compress=gzip.compress, config=None, platform=None, algorithm="sha256",
              diff_ids=None, architecture="amd64"):
        """The descriptor of a manifest; `layers` are tar archives."""
        found = [self.blob(compress(data) if compress else data, LAYER + ("+gzip" if compress else ""), algorithm)
                 for data in layers]
        settings = {"os": "linux", "architecture": architecture, "config": {"Cmd": ["/bin/sh"], **(config or {})},
                    "rootfs": {"type": "layers", "diff_ids": diff_ids or [digest(data) for data in layers]}}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.document(settings, CONFIG),
                    "layers": found}
        more = {"annotations": {"org.opencontainers.image.ref.name": name}} if name else {}
        if platform:
            more["platform"] = platform
        return self.document(manifest, MANIFEST, **more)

    def write(self, *manifests):
        self.put("index.json", json.dumps({"schemaVersion": 2, "manifests": list(manifests)}).encode())
        return self.path
