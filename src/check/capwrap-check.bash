# bash completion for capwrap-check(8)

_capwrap_check() {
	local word=${COMP_WORDS[COMP_CWORD]}

	if [[ ${COMP_WORDS[COMP_CWORD - 1]} == @(-u|--user) ]]; then
		mapfile -t COMPREPLY < <(compgen -u -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--binfmt --recursive --json --user --help --version' -- "$word")
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}

complete -F _capwrap_check capwrap-check
