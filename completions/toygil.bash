# SPDX-License-Identifier: MIT
# toygil's options for bash.

_toygil_option() {
	case $1 in
	--gil) mapfile -t COMPREPLY < <(compgen -W 'ticks interval per-interpreter free none' -- "$2") ;;
	--truth)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$2")
		;;
	--threads | --interpreters | --processes | --switch-interval | --check-interval | --duration | --size | --seed) ;;
	*) return 1 ;;
	esac
}

# The programs that ship, as toygil itself tells them, and files.
_toygil_programs() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(
		compgen -W "bench list $(toygil list 2>/dev/null | sed -n '/^programs:/,/^$/s/^  \([^ ]*\).*/\1/p')" -- "$1"
		compgen -f -X '!*.toy' -- "$1"
		compgen -d -- "$1"
	)
}

_toygil() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	# "--gil=ti" is three words: "--gil", "=" and "ti".
	if [[ $current == = ]]; then
		current=
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	_toygil_option "$before" "$current" && return
	if [[ $current != -* ]]; then
		_toygil_programs "$current"
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W '--gil= --threads= --interpreters= --processes= --switch-interval= --check-interval=
		--duration= --size= --seed= --no-bias --truth= --verbose --help --version' -- "$current")
	[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
	return 0
}

complete -F _toygil toygil
