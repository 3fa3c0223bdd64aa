"""Print where the package goes: DEFAULT, unless Python looks elsewhere below PREFIX; then, where Python does not look there
at all, a file that would make it.

    install_dir.py PREFIX DEFAULT
"""

import subprocess
import sys

prefix, default = sys.argv[1:]
parent, name = default.rsplit('/', 1)
# -I: what every user's Python looks in, not what this environment adds.
path = subprocess.run(
    [sys.executable, '-I', '-c', 'import sys; print(*sys.path, sep="\\n")'],
    check=True, capture_output=True, text=True,
).stdout.split('\n')
directories = [p for p in path if p.endswith('-packages')]
below = [p for p in directories if p.startswith(prefix + '/')]
in_venv = sys.prefix != sys.base_prefix
if not in_venv and prefix != '/usr' and parent not in path and below:
    parent = below[0]
print(f'{parent}/{name}')
if parent not in path and directories:
    print(f'{directories[0]}/{name}.pth')
