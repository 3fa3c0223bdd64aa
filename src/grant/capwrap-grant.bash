# bash completion for capwrap-grant(8)

_capwrap_grant() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} names rest

	if [[ $before == @(-u|--user) ]]; then
		mapfile -t COMPREPLY < <(compgen -u -- "$word")
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--unproven --contain --user --sha256 --edit --apply --status --json --revoke
			--help --version' -- "$word")
	elif [[ $before == capwrap-grant || $before == @(-U|-c|--unproven|--contain|--sha256) ||
		${COMP_WORDS[COMP_CWORD - 2]} == @(-u|--user) ]]; then
		names=$(capsh --decode=ffffffffffffffff 2>/dev/null | sed 's/.*=//; s/,[0-9].*//; s/,/ /g')
		rest=${word##*,}
		compopt -o nospace 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -P "${word%"$rest"}" -W "$names" -- "$rest")
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}

complete -F _capwrap_grant capwrap-grant
