"""What capwrap(1) says of what keeps a grant and what loses it: each command of its table, on a granted script."""

import os
import re
import shutil
import subprocess

import pytest
from kit import BUILD, GRANT, SOURCE, TELL, bit, four, grant, mount, rendered, section

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

VIM = "vim -N -u NONE -e -s -c 'normal Go#' -c wq job"
# Each command of the table, as root, in a directory with a granted script `job`. What is judged then is `new`, where there is
# one, else `job`. `other` is another file system, `plain` one without file capabilities, `mnt` a directory to mount on.
TRIED = {
    "mv": "mv job new",
    "mv to another file system": "mv job other/new; ln -s other/new new",
    "ln": "ln job new",
    "ln -s": "ln -s job new",
    "chmod": "chmod 555 job",
    "touch": "touch job",
    "setfacl": "setfacl -m u:1:r job",
    "cp -a": "cp -a job new",
    "cp --preserve=xattr": "cp --preserve=xattr job new",
    "rsync -aX": "rsync -aX job new",
    "tar -c --xattrs with tar -x --xattrs-include='*'":
        "tar -c --xattrs -f archive job; mkdir to; tar -x --xattrs-include='*' -f archive -C to; ln -s to/job new",
    "getfattr -d -m - with setfattr --restore":
        "getfattr -d -m - job >list; echo '#' >>job; setfattr --restore=list",
    "mksquashfs": "mksquashfs from image -quiet -no-progress; mount -o loop,ro image mnt; ln -s mnt/job new",
    "unsquashfs": "mksquashfs from image -quiet -no-progress; unsquashfs -quiet -no-progress -d to image; ln -s to/job new",
    "mkfs.ext4 -d": "mkfs.ext4 -q -d from image 2M >made; mount -o loop,ro image mnt; ln -s mnt/job new",
    "mkfs.erofs": "mkfs.erofs --quiet image from; mount -o loop,ro image mnt; ln -s mnt/job new",
    "vim from 9.1": VIM,
    "nvim from 0.10": VIM.replace("vim", "nvim --headless", 1),
    "cp": "cp job new",
    "cp -p": "cp -p job new",
    "cp of another file over it": "echo '#' >>copy; cp copy job",
    "install": "install job new",
    "chown": "chown 1 job; getcap job | grep . && exit 1; chown 0 job",
    "chown to the same owner": "chown 0 job",
    "chgrp": "chgrp 1 job",
    ">>": "echo '#' >>job",
    "truncate": "truncate -s +1 job",
    "sed -i": "sed -i '$a #' job",
    "perl -i": "perl -pi -e '$_ .= \"#\\n\" if eof' job",
    "patch": "cp job old; echo '#' >>copy; diff -u old copy | patch -s job",
    "ed": "printf 'a\\n#\\n.\\nw\\nq\\n' | ed -s job",
    "vim before 9.1": VIM,
    "git checkout": "git init -q; git add job; git commit -qm one; git checkout -qb two; echo '#' >>job; git commit -qam two; "
                    "setcap CAPS job; git checkout -q -",
    "git stash": "git init -q; git add job; git commit -qm one; echo '#' >>job; setcap CAPS job; git stash -q",
    "rsync -a": "rsync -a job new",
    "scp": "scp -q -O -S ./run job host:new",
    "sftp": "echo put -p job new | sftp -q -b - -D /usr/lib/openssh/sftp-server >told",
    "tar -c": "tar -cf archive job; mkdir to; tar -x --xattrs-include='*' -f archive -C to; ln -s to/job new",
    "tar -x": "tar -c --xattrs -f archive job; mkdir to; tar -xf archive -C to; ln -s to/job new",
    "tar -x --xattrs": "tar -c --xattrs -f archive job; mkdir to; tar -x --xattrs -f archive -C to; ln -s to/job new",
    "cpio": "mkdir to; echo job | cpio -o --quiet | cpio -i --quiet -D to; ln -s to/job new",
    "zip": "mkdir to; zip -q archive.zip job; unzip -q archive.zip -d to; ln -s to/job new",
    "mksquashfs -no-xattrs": "mksquashfs from image -quiet -no-progress -no-xattrs; mount -o loop,ro image mnt; ln -s mnt/job new",
}
# What the text has beside it, and whether that keeps it.
GIT = "git init -q; git add job; git commit -qm one; setcap CAPS job; "
BESIDE = {
    "git checkout of the same": (GIT + "git checkout -qb two; echo '#' >file; git add file; git commit -qm two; git checkout -q -", True),
    "git stash of another": (GIT + "echo '#' >file; git add file; git stash -q", True),
    "rsync of the same": ("cp -a job from/job; setcap -r from/job; rsync -a from/job job", True),
    "cp -a without attributes": ("cp -a job plain/new; ln -s plain/new new", False),
    "mv without attributes": ("mv job plain/new; ln -s plain/new new", False),
    "vim with backupcopy=yes": (VIM.replace("-c", "-c 'set backupcopy=yes' -c", 1), False),
}


def listed() -> dict[str, bool]:
    """The commands of the manual's table, and whether it says that they keep the grant."""
    text = section(rendered(SOURCE / "man/capwrap.1"), "COPIES, IMAGES, CONTAINERS")
    rows = re.findall(r"^ {5}(keeps|loses) +(\S.*)$", text, re.M)
    return {command: verdict == "keeps" for verdict, commands in rows for command in commands.split(", ")}


def needs(command: str, code: str) -> None:
    """What is not on every Debian with tests/packages, and kernels without some file system."""
    for program in sorted(set(re.findall(r"(?:^|; |\| )([a-z0-9.]+)", code)) - {"echo", "exit"}):
        if not shutil.which(program, path=PATH):
            pytest.skip(f"this machine has no {program}")
    if "loop" in code and not os.path.exists("/dev/loop-control"):
        pytest.skip("this machine has no loop devices")
    if release := re.fullmatch(r"(\w+) (from|before) (\d+)\.(\d+)", command):
        told = subprocess.run([release[1], "--version"], capture_output=True, text=True).stdout
        newer = tuple(map(int, re.search(r" v?(\d+)\.(\d+)", told).groups())) >= (int(release[3]), int(release[4]))
        if newer != (release[2] == "from"):
            pytest.skip(f"this machine has no {command}")


def kept(world, code: str) -> bool:
    """Runs a command on a granted script. Has the script its grant afterwards, by getcap and by its run?"""
    place = world.folder("place")
    job = world.script("place/job", "dash", TELL, f"{GRANT}=ip")
    for name in ("other", "plain"):
        world.folder(f"place/{name}")
    mount("-t", "tmpfs", "-o", "mode=755", "none", place / "other")
    mount("-t", "ramfs", "none", place / "plain")
    world.folder("place/mnt")
    world.script("place/from/job", "dash", TELL, f"{GRANT}=ip")
    world.script("place/run", "#!/bin/sh\n", 'for command; do :; done\nexec sh -c "$command"\n', None)  # what ssh would do
    shutil.copyfile(job, place / "copy")
    done = world.run("sh", "-euc", code.replace("CAPS", f"{GRANT}=ip"), uid=0, cwd=place, env={
        "PATH": PATH, "HOME": "/nonexistent", "LANG": "C.UTF-8",
        **{f"GIT_{who}_{what}": "nobody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}})
    if "unknown filesystem type" in done.err:
        pytest.skip(f"this machine has no such file system: {done.err}")
    assert (done.code, done.out, done.err) == (0, b"", ""), done  # none says that it loses it
    script = place / "new" if (place / "new").exists() else job
    result = world.run(script)
    told = subprocess.run(["getcap", script.resolve()], capture_output=True, text=True, check=True).stdout
    if told:
        assert told == f"{script.resolve()} {GRANT}=ip\n"
        assert result.code == 0 and four(result.sets) == grant(bit(GRANT)), result
    else:
        assert result.code == 125 and re.search(" has no (file )?capabilities", result.err), result
    return bool(told)


def test_manual_lists_what_is_tried():
    assert set(listed()) == set(TRIED)


@pytest.mark.parametrize("command", TRIED)
def test_keeps(world, command):
    needs(command, TRIED[command])
    assert kept(world, TRIED[command]) == listed()[command]


@pytest.mark.parametrize("command", BESIDE)
def test_keeps_beside_the_table(world, command):
    code, keeps = BESIDE[command]
    needs(command, code)
    assert kept(world, code) == keeps
