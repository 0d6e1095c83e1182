# SPDX-License-Identifier: MIT
# toygil's options for fish.

# The programs that ship, as toygil itself tells them.
function __toygil_programs
    toygil list 2>/dev/null | sed -n '/^programs:/,/^$/s/^  \([^ ]*\)  *\(.*\)/\1\t\2/p'
end

complete -c toygil -k -a '(__toygil_programs)'
complete -c toygil -a bench -d 'The published figures of each design'
complete -c toygil -a list -d 'The programs, designs and natives'
complete -c toygil -l gil -x -a 'ticks interval per-interpreter free none' -d 'The design'
complete -c toygil -l threads -x -d 'Workers'
complete -c toygil -l interpreters -x -d 'Interpreters of one process'
complete -c toygil -l processes -x -d 'Processes'
complete -c toygil -l switch-interval -x -d 'How long a waiter sleeps before it asks'
complete -c toygil -l check-interval -x -d 'Instructions between two releases'
complete -c toygil -l duration -x -d 'Work for this long, in seconds'
complete -c toygil -l size -x -d 'Rounds a thread'
complete -c toygil -l seed -x -d 'Of random'
complete -c toygil -l no-bias -d 'Count every object atomically'
complete -c toygil -l truth -r -F -d 'The books'
complete -c toygil -l verbose -d 'Count the objects at the end'
complete -c toygil -l help -d 'A summary'
complete -c toygil -l version -d 'Print the version'
