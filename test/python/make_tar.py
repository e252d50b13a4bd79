"""make_tar.py FILE.tar ustar|gnu|pax MEMBERS: packs the members of a JSON argument, [[name, text], ...]."""
import io
import json
import sys
import tarfile

kinds = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
with tarfile.open(sys.argv[1], "w", format=kinds[sys.argv[2]]) as tar:
    for name, text in json.loads(sys.argv[3]):
        member = tarfile.TarInfo(name)
        member.size = len(text.encode())
        tar.addfile(member, io.BytesIO(text.encode()))
