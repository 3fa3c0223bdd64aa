# bash completion for capwrap-learn(8)

_capwrap_learn() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	if [[ $before == @(-u|--user) ]]; then
		mapfile -t COMPREPLY < <(compgen -u -- "$word")
	elif [[ $before == @(--ok|--reset) ]]; then
		mapfile -t COMPREPLY < <(compgen -c -- "$word")
	elif [[ $before == @(-t|--timeout) ]]; then
		COMPREPLY=()
	elif [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--user --ok --reset --lines --json --up-only --timeout --stdin
			--help --version' -- "$word")
	elif [[ $word == */* || $before == --stdin ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -f -c -- "$word" | sort -u)
	fi
}

complete -F _capwrap_learn capwrap-learn
