# SPDX-License-Identifier: MIT
# giltrace's options for bash. Needs nothing of bash-completion; uses it for the words of a command where it is there.

# The processes that have a Python mapped; of other users' processes, which may not be looked at, those of that name.
_giltrace_pids() {
	{
		grep -lsE '/(lib)?python[0-9]|/toygil$' /proc/[0-9]*/maps
		grep -lsE '^(python|toygil)' /proc/[0-9]*/comm
	} 2>/dev/null | cut -d/ -f3 | sort -un
}

_giltrace_option() {
	local current=$2

	case $1 in
	-p | --pid) mapfile -t COMPREPLY < <(compgen -W '$(_giltrace_pids)' -- "$current") ;;
	--probes) mapfile -t COMPREPLY < <(compgen -W 'all auto waits' -- "$current") ;;
	--stacks) mapfile -t COMPREPLY < <(compgen -W 'python native both none' -- "$current") ;;
	--flame-kind) mapfile -t COMPREPLY < <(compgen -W 'blame wait hold' -- "$current") ;;
	--events) mapfile -t COMPREPLY < <(compgen -W 'contended all none' -- "$current") ;;
	--json | -o | --output | --record | --html | --flame | --folded | --speedscope | --pprof | --timeline)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		;;
	-d | --duration | --budget | --depth | --max-threads | --max-loss | --max-size | --fail-if | --interval) ;; # nothing to offer
	*) return 1 ;;
	esac
}

_giltrace_command() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif ((COMP_CWORD == $1)); then
		mapfile -t COMPREPLY < <(compgen -c -- "$2")
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$2")
	fi
}

_giltrace() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} at
	local options='--pid= --all --follow --duration= --json --html= --flame= --folded= --speedscope= --pprof= --timeline= --flame-kind=
		--stacks= --depth= --probes= --budget= --max-threads= --max-loss= --fail-if= --output= --max-size= --record= --events=
		--interval= --quiet --verbose --version --help -p -d -o -q -v'

	COMPREPLY=()
	for ((at = 1; at < COMP_CWORD; at++)); do
		if [[ ${COMP_WORDS[at]} == -- ]]; then
			_giltrace_command $((at + 1)) "$current"
			return
		fi
	done
	# "--probes=au" is three words: "--probes", "=" and "au".
	if [[ $current == = ]]; then
		current=
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	elif [[ $before == --json ]]; then
		before= # its FILE stands behind "=" or nowhere
	fi
	_giltrace_option "$before" "$current" && return
	if [[ ${COMP_WORDS[1]} == doctor ]] && ((COMP_CWORD > 1)); then
		options='--pid= --verbose --help -p -v'
	elif [[ ${COMP_WORDS[1]} == @(report|diff) && $current != -* ]] && ((COMP_CWORD > 1)); then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
	elif [[ ${COMP_WORDS[1]} == diff ]] && ((COMP_CWORD > 1)); then
		options='--json --flame= --flame-kind= --quiet --help -q'
	elif [[ ${COMP_WORDS[1]} == top ]] && ((COMP_CWORD > 1)); then
		options='--pid= --all --follow --stacks= --depth= --probes= --budget= --max-threads= --interval= --help -p'
	elif ((COMP_CWORD == 1)); then
		options+=' record report diff top doctor'
	fi
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
	[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
	return 0
}

complete -F _giltrace giltrace
