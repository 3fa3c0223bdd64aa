#!/usr/bin/python3
"""Installs scripts with their grants, all of them or none. The work of the role capwrap, on the machine."""

import hashlib
import json
import os
import pwd
import grp
import re
import shlex
import shutil
import stat
import tempfile

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: capwrap_grants
short_description: Install scripts with their grants, all of them or none
description:
  - The part of the role C(capwrap) that runs on the machine. The role's README.md has what the options mean.
options:
  name: {type: str, required: true, description: "Of the list: /etc/capwrap.d/NAME.conf."}
  scripts: {type: list, elements: dict, required: true, description: As the role's variable capwrap_scripts.}
  contents: {type: dict, required: true, description: "Of each script, by its path."}
  unlisted: {type: str, choices: [keep, remove], default: keep, description: What becomes of scripts that left the list.}
author: [the authors of capwrap]
"""
EXAMPLES = r"""
- name: Install and grant
  capwrap_grants:
    name: ansible
    scripts: [{dest: /usr/local/bin/pwage, src: pwage, grant: cap_dac_read_search}]
    contents: {/usr/local/bin/pwage: "#!/usr/bin/capwrap python3\n"}
"""
RETURN = r"""
scripts: {type: list, returned: success, description: What capwrap-check tells of each.}
"""

SCRIPT = {
    "dest": {"type": "path", "required": True},
    "src": {"type": "str"},
    "template": {"type": "str"},
    "grant": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "raw", "default": "0755"},
    "sha256": {"type": "bool", "default": False},
}
DIRECTORY = "/etc/capwrap.d"
MARK = "# by Ansible from "  # only what has it was installed here, and may be removed
HEAD = "# The role capwrap of Ansible keeps this file, and undoes what is changed here.\n"
# Rules that judge what a script says, wherever it lies.
OF_THE_CONTENT = ("line", "account", "interpreter", "proven")


class Refused(Exception):
    """Why it can't be done, and what mends it."""


class File:
    """A file as it lies there, with all that it takes to put it back."""

    def __init__(self, path):
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            self.st = os.fstat(file.fileno())
            if not stat.S_ISREG(self.st.st_mode):
                raise Refused("%s: it is not a regular file; ls -ld %s" % (path, shlex.quote(path)))
            self.bytes = file.read()
            self.attributes = {name: os.getxattr(file.fileno(), name) for name in os.listxattr(file.fileno())}
        self.ids, self.mode = (self.st.st_uid, self.st.st_gid), stat.S_IMODE(self.st.st_mode)


def look(path):
    """What is there; None: nothing."""
    if os.path.islink(path):
        raise Refused("%s: it is a link; name what it leads to, %s" % (path, os.path.realpath(path)))
    if not os.path.isdir(os.path.dirname(path)) and os.path.dirname(path) != DIRECTORY:
        raise Refused("%s: its directory is not there; mkdir -p %s" % (path, shlex.quote(os.path.dirname(path))))
    return File(path) if os.path.lexists(path) else None


def put(path, content, ids, mode, before=None):
    """A new file, renamed: it is there as a whole, or not. `before`: the file that it shall be again."""
    fd, beside = tempfile.mkstemp(prefix=".%s." % os.path.basename(path), dir=os.path.dirname(path))
    try:
        with open(fd, "wb") as file:
            file.write(content)
            os.fchown(fd, *ids)
            os.fchmod(fd, mode)
            for name, value in before.attributes.items() if before else ():
                os.setxattr(fd, name, value)
            file.flush()
            os.fsync(fd)
            if before:
                os.utime(fd, ns=(before.st.st_atime_ns, before.st.st_mtime_ns))
        os.rename(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


class Script:
    """As the playbook wants it."""

    def __init__(self, wanted, contents):
        self.path = wanted["dest"]
        plain = os.path.normpath(os.path.join("/", self.path))
        if self.path != plain:
            raise Refused("%s: it is no absolute path in its plain form; write %s" % (self.path, plain))
        # A list names what lies behind links of root's.
        self.real = os.path.join(os.path.realpath(os.path.dirname(self.path)), os.path.basename(self.path))
        self.source = wanted["src"] or wanted["template"]
        self.content = contents[self.path].encode("utf-8", "surrogateescape")
        if not re.match(r"0?[0-7]{3}$", str(wanted["mode"])) or not isinstance(wanted["mode"], str):
            raise Refused("%s: its mode is no text such as '0755'; put quotes around it" % self.path)
        self.mode = int(wanted["mode"], 8)
        words = [word.strip() for word in wanted["grant"].lower().split(",")]
        self.grant = ",".join(sorted(word if word.startswith("cap_") else "cap_" + word for word in words))
        try:
            owner, group = wanted["owner"], wanted["group"]
            self.ids = (int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid,
                        int(group) if group.isdigit() else grp.getgrnam(group).gr_gid)
        except KeyError as error:
            raise Refused("%s: %s; getent passwd, getent group tell who is there" % (self.path, error.args[0]))
        first = self.content.split(b"\n", 1)[0].decode(errors="replace")
        if not re.match(r"#![ \t]*/([^ \t]*/)?capwrap([ \t]|$)", first):
            raise Refused("%s: the first line of %s does not name capwrap; put #!/usr/bin/capwrap, or where it is, before the "
                          "interpreter" % (self.path, self.source))
        digest = " sha256:" + hashlib.sha256(self.content).hexdigest() if wanted["sha256"] else ""
        self.line = "%s %s%s %s%s\n" % (self.grant, re.sub(r"([ \t#\\])", r"\\\1", self.path), digest, MARK, self.source)

    def differs(self, file):
        return (file.bytes, file.ids, file.mode) != (self.content, self.ids, self.mode)


def words_of(ids, mode, grant):
    return "uid %d, gid %d, mode %04o; %s\n" % (*ids, mode, grant)


class Play:
    """What is there, what is to be, and the way from one to the other and back."""

    def __init__(self, module):
        self.module = module
        self.list = "%s/%s.conf" % (DIRECTORY, module.params["name"])
        self.grant_program = module.get_bin_path("capwrap-grant", opt_dirs=["/usr/local/sbin"])
        self.check_program = module.get_bin_path("capwrap-check", opt_dirs=["/usr/local/bin"])
        self.scripts = [Script(wanted, module.params["contents"]) for wanted in module.params["scripts"]]
        self.paths = {script.real: script for script in self.scripts}
        if len(self.paths) < len(self.scripts):
            raise Refused("capwrap_scripts: a dest stands there twice; remove one")
        self.files = {script.path: look(script.path) for script in self.scripts}
        self.listed = look(self.list)
        self.wanted_list = HEAD + "".join(script.line for script in sorted(self.scripts, key=lambda script: script.path))
        self.rows, self.broken = self.status()
        if self.broken and "%s:" % self.list not in self.broken:
            raise Refused(self.broken)
        self.saved = {}

    # ---- What the programs tell

    def run(self, *words, editor=""):
        # Of VISUAL and EDITOR the first one counts.
        return self.module.run_command(list(words), environ_update={"VISUAL": editor, "NO_COLOR": "1"}, errors="surrogateescape")

    def status(self):
        """What is listed or granted, by path; and what is wrong with the lists."""
        if not self.grant_program:
            return {}, ""
        code, out, err = self.run(self.grant_program, "--status", "--json")
        return ({}, said(out, err)) if code > 1 else ({row["path"]: row for row in json.loads(out)}, "")

    def check(self, paths):
        """What capwrap-check tells of each."""
        if not paths:
            return []
        code, out, err = self.run(self.check_program, "--json", *paths)
        if code > 1:
            raise Refused(err)
        return json.loads(out)

    def foretell(self):
        """Judges what new scripts say, before anything is changed, where nobody but root sees it. What their place and grant
        are worth, capwrap-grant judges."""
        for script in self.scripts:
            file = self.files[script.path]
            if file and script.differs(file) and file.st.st_nlink > 1:
                raise Refused("%s: it has other names, by hard links; find / -xdev -samefile %s shows them" % (
                    script.path, shlex.quote(script.path)))
        new = [script for script in self.scripts if not self.files[script.path] or self.files[script.path].bytes != script.content]
        if not new or not self.check_program:
            return
        with tempfile.TemporaryDirectory(dir=pwd.getpwuid(0).pw_dir, prefix=".capwrap-") as top:
            copies = []
            for number, script in enumerate(new):
                copies.append("%s/%d/%s" % (top, number, os.path.basename(script.path)))
                os.mkdir(os.path.dirname(copies[-1]))
                put(copies[-1], script.content, (0, 0), 0o755)
            for script, copy, report in zip(new, copies, self.check(copies)):
                refuse(report, lambda rule: rule in OF_THE_CONTENT, copy, script.path)

    def verify(self, paths):
        """All of them run, or the reason why not."""
        reports = self.check(paths)
        for report in reports:
            refuse(report)
            if report["others"]:
                refuse(report["others"])
        return reports

    # ---- What differs

    def words(self, row):
        return "%s: %s" % (",".join(sorted(row["capabilities"])), row["state"]) if row else "not listed"

    def differences(self):
        """By path: before and after, in words."""
        found = {}

        def tell(path, before, after):
            if before != after:
                found.setdefault(path, []).append({"before": before, "after": after, "before_header": path, "after_header": path})

        tell(self.list, text(self.listed), self.wanted_list)
        if self.listed:
            tell(self.list, words_of(self.listed.ids, self.listed.mode, "a list"), words_of((0, 0), 0o644, "a list"))
        for script in self.scripts:
            file = self.files[script.path]
            tell(script.path, text(file), script.content.decode(errors="replace"))
            before = words_of(file.ids, file.mode, self.words(self.rows.get(script.real))) if file else ""
            tell(script.path, before, words_of(script.ids, script.mode, "%s: granted" % script.grant))
        for path in self.gone():
            tell(path, text(look(path)), "")
        for path, row in self.rows.items():
            if path not in self.paths and (self.is_ours(row) or row["state"] in ("lost", "other", "unturned", "unlisted")):
                after = "not listed" if self.is_ours(row) or row["state"] == "unlisted" else "granted"
                tell(path, self.words(row) + "\n", "%s: %s\n" % (",".join(sorted(row["capabilities"])), after))
        return found

    def is_ours(self, row):
        return (row["list"] or "").rpartition(":")[0] == self.list

    def gone(self):
        """What was installed here once, and is to be removed."""
        lines = text(self.listed).split("\n")
        return [path for path, row in self.rows.items()
                if self.module.params["unlisted"] == "remove" and self.is_ours(row) and path not in self.paths
                and row["state"] != "missing" and MARK in lines[int(row["list"].rpartition(":")[2]) - 1]]

    # ---- The way there, and back

    def save(self, path, file):
        self.saved.setdefault(path, file)

    def write_list(self):
        if not os.path.isdir(DIRECTORY):
            os.mkdir(DIRECTORY, 0o755)
        if not self.listed or (text(self.listed), self.listed.ids, self.listed.mode) != (self.wanted_list, (0, 0), 0o644):
            self.save(self.list, self.listed)
            put(self.list, self.wanted_list.encode("utf-8", "surrogateescape"), (0, 0), 0o644)
        broken = self.status()[1]
        if broken:
            raise Refused(broken)

    def install(self, script):
        """The new content comes with its grant: whoever runs the script meanwhile gets the old one or the new one."""
        file = self.files[script.path]
        if file and not script.differs(file):
            return
        self.save(script.path, file)
        if not file:
            put(script.path, script.content, script.ids, script.mode)
            return
        fd = os.open(script.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if file.ids != script.ids:
                os.fchown(fd, *script.ids)
            os.fchmod(fd, script.mode)
        finally:
            os.close(fd)
        if file.bytes == script.content:
            return
        with tempfile.NamedTemporaryFile(dir=self.module.tmpdir) as new:
            new.write(script.content)
            new.flush()
            code, out, err = self.run(self.grant_program, "--edit", script.path, editor="cp -- %s" % shlex.quote(new.name))
        for kept in re.findall(r"/var/tmp/capwrap-edit-\w{6}", err):
            shutil.rmtree(kept, ignore_errors=True)
        if code:
            raise Refused(said(out, err))

    def apply(self):
        """Gives and takes what the lists say. What is wrong with scripts of other lists is none of the play's, and told."""
        code, out, err = self.run(self.grant_program, "--apply")
        rows, broken = self.status()
        refused = [path for path in self.paths if rows.get(path, {"state": ""})["state"] != "granted"]
        for report in self.check(refused):
            refuse(report, lambda rule: rule != "grant")
        if code > 1 or broken or refused:
            raise Refused(said(out, err) or broken)
        if code:
            self.module.warn(said(out, err))
        return rows

    def go(self):
        self.write_list()
        for script in self.scripts:
            self.install(script)
        rows = self.apply()
        reports = self.verify([script.path for script in self.scripts])
        for path in self.gone():
            if path not in rows:  # nor does another list have it
                os.unlink(path)
        return rows, reports

    def back(self):
        """As it was before: the files, and then what the old list says of them. What can't be put back is told."""
        told = "Scripts and list are as before."
        for path, file in reversed(list(self.saved.items())):
            try:
                if file:
                    put(path, file.bytes, file.ids, file.mode, file)
                elif os.path.lexists(path):
                    os.unlink(path)
            except (Refused, OSError) as error:
                told += " But for %s, which can't be put back: %s." % (path, error)
        if self.saved:
            self.run(self.grant_program, "--apply")
        return told


def text(file):
    return file.bytes.decode("utf-8", "replace") if file else ""


def refuse(verdict, counts=lambda rule: True, path="", name=""):
    """Where a report has a fault that counts: reasons, and what mends them. `path` is called `name`."""
    reasons = [fault["reason"] for fault in verdict["faults"] if counts(fault["rule"])]
    if reasons:
        # The grant it gets here.
        fixes = [step for fix in verdict["fixes"] for step in fix.split(" && ") if "cap_NAME" not in step]
        raise Refused("; ".join(["%s: %s" % (verdict["path"], reasons[0]), *reasons[1:], *fixes]).replace(path or name, name))


def said(out, err):
    """What capwrap-grant says, in one line: reason and fix of each report, and what it complains of."""
    told = ["%s: %s; %s" % found for found in re.findall(
        r"^(.*): refused.*, by the rule .*\n  reason +(.*)\n(?:  [^f].*\n)*  fix +(.*)$", out, re.M)]
    told += [line.replace("capwrap-grant: ", "", 1) for line in err.splitlines()
             if not line.endswith((": not granted, and not changed", ": this is what you wrote; it is kept"))]
    return "\n".join(told)


def main():
    module = AnsibleModule(
        {
            "name": {"type": "str", "required": True},
            "scripts": {"type": "list", "elements": "dict", "required": True, "options": SCRIPT,
                        "mutually_exclusive": [("src", "template")], "required_one_of": [("src", "template")]},
            "contents": {"type": "dict", "required": True},
            "unlisted": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
        }, supports_check_mode=True)
    play = None
    try:
        if os.geteuid():
            raise Refused("only root can grant: become: true")
        if not re.match(r"[A-Za-z0-9_][\w.-]*$", module.params["name"]) or module.params["name"] == "capwrap-grant":
            raise Refused("capwrap_list: %s can't be the name of the list" % module.params["name"])
        play = Play(module)
        for name, program in (("capwrap-grant", play.grant_program), ("capwrap-check", play.check_program)):
            if not program and not module.check_mode:
                raise Refused("%s is not there; let capwrap_package name its package" % name)
        found = play.differences()
        play.foretell()
        rows, reports = {}, []
        if not module.check_mode:
            rows, reports = play.go()
        elif play.check_program:
            reports = play.verify([script.path for script in play.scripts if script.path not in found])
        # What another list has is told where something became of it.
        for path in [path for path in found if path in rows and path not in play.paths and rows[path] == play.rows.get(path)]:
            del found[path]
    except (Refused, OSError) as error:
        module.fail_json(msg="%s\n%s" % (error, play.back() if play else "Nothing is changed."))
    module.exit_json(changed=bool(found), diff=[difference for path in found for difference in found[path]], scripts=reports)


if __name__ == "__main__":
    main()
