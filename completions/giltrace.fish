# SPDX-License-Identifier: MIT
# giltrace's options for fish.

# The processes that have a Python mapped; of other users' processes, which may not be looked at, those of that name.
function __giltrace_pids
    for pid in (sh -c "{
            grep -lsE '/(lib)?python[0-9]|/toygil\$' /proc/[0-9]*/maps
            grep -lsE '^(python|toygil)' /proc/[0-9]*/comm
        } 2>/dev/null | cut -d/ -f3 | sort -un")
        printf '%s\t%s\n' $pid (cat /proc/$pid/cmdline 2>/dev/null | tr '\0\n' '  ' | cut -c1-60)
    end
end

# Whether a command is what comes next: behind --.
function __giltrace_in_command
    contains -- -- (commandline -opc)
end

function __giltrace_command
    set -l words (commandline -opc)
    set -l first (math (contains -i -- -- $words) + 1)
    complete -C (string join ' ' -- (string escape -- $words[$first..]) (commandline -ct))
end

set -l ours 'not __giltrace_in_command'
set -l reports 'not __giltrace_in_command; and not __fish_seen_subcommand_from doctor'
set -l traces "$reports; and not __fish_seen_subcommand_from diff"

complete -c giltrace -f -n $ours
complete -c giltrace -n __giltrace_in_command -a '(__giltrace_command)'
complete -c giltrace -n "$ours; and __fish_is_first_arg" -a doctor -d 'What this machine and this process allow'
complete -c giltrace -n "$ours; and __fish_is_first_arg" -a record -d 'Trace into a recording'
complete -c giltrace -n "$ours; and __fish_is_first_arg" -a report -d 'The report of a recording'
complete -c giltrace -n "$ours; and __fish_is_first_arg" -a diff -d 'What changed from one recording to another'
complete -c giltrace -n "$ours; and __fish_is_first_arg" -a top -d 'Watch live in the terminal'
complete -c giltrace -n "$ours; and __fish_seen_subcommand_from report diff" -F
complete -c giltrace -n $ours -s p -l pid -x -a '(__giltrace_pids)' -d 'The process'
complete -c giltrace -n $traces -l all -d 'Every process that has a GIL'
complete -c giltrace -n $traces -l follow -d 'Also its children and theirs'
complete -c giltrace -n $traces -s d -l duration -x -d 'How long, in seconds'
complete -c giltrace -n $reports -l json -F -d 'A report in JSON'
complete -c giltrace -n $traces -l html -r -F -d 'All of it as one page'
complete -c giltrace -n $reports -l flame -r -F -d 'An interactive flame graph'
complete -c giltrace -n $traces -l folded -r -F -d 'Folded stacks'
complete -c giltrace -n $traces -l speedscope -r -F -d 'Blame, wait and hold for speedscope'
complete -c giltrace -n $traces -l pprof -r -F -d 'A profile for pprof'
complete -c giltrace -n $traces -l timeline -r -F -d 'Each wait and hold, for ui.perfetto.dev'
complete -c giltrace -n $reports -l flame-kind -x -a 'blame wait hold' -d 'What reports of stacks show'
complete -c giltrace -n $traces -l stacks -x -a 'python native both none' -d 'The frames that stacks have'
complete -c giltrace -n $traces -l depth -x -d 'The most frames of a stack'
complete -c giltrace -n $traces -l probes -x -a 'all auto waits' -d 'What is probed'
complete -c giltrace -n $traces -l budget -x -d 'What tracing may cost with auto, in %'
complete -c giltrace -n $traces -l max-threads -x -d 'Room for threads'
complete -c giltrace -n $traces -l max-loss -x -d 'Exit with 5 when more was lost, in %'
complete -c giltrace -n $traces -l fail-if -x -d 'Exit with 6 when this holds'
complete -c giltrace -n $traces -s o -l output -r -F -d 'With record: the recording'
complete -c giltrace -n $traces -l max-size -x -d 'With record: never larger than this'
complete -c giltrace -n $traces -l record -r -F -d 'A recording beside the report'
complete -c giltrace -n $traces -l events -x -a 'contended all none' -d 'Single events in a recording'
complete -c giltrace -n $traces -l interval -x -d 'With top: seconds from one look to the next'
complete -c giltrace -n $reports -s q -l quiet -d 'No text report'
complete -c giltrace -n $ours -s v -l verbose -d 'What the kernel says'
complete -c giltrace -n $ours -l version -d 'Print the version'
complete -c giltrace -n $ours -l help -d 'A summary'
