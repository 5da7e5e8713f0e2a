#!/bin/sh
# A scripted agent. Its arguments are the fleet's directory and its prompt. It does what the first of
# plans/<task>-<attempt>, plans/<task> and plans/default says, in the words below.
set -eu
fleet=$1
prompt=${2-}
task=$ORCH_TASK_ID
attempt=$ORCH_ATTEMPT
out=$fleet/out

stamp() { echo "$1 $task $attempt $ORCH_LAUNCH $$" >>"$out/stamps"; }

# Whether a process is alive; one that waits to be buried is not.
alive() {
    case $(ps -o stat= -p "$1" 2>/dev/null) in
    '' | Z*) return 1 ;;
    esac
}

# Writes a line into each file and commits them all at once.
work() {
    for file; do
        case $file in */*) mkdir -p -- "${file%/*}" ;; esac
        echo "$task $attempt" >>"./$file"
    done
    git add -- "$@"
    git commit -q -m "Work on $task"
}

# Waits until the test lets it go on, for a minute at most.
hold() {
    beats=0
    while [ ! -e "$out/go-$1" ] && [ "$beats" -lt 1200 ]; do
        sleep 0.05
        beats=$((beats + 1))
    done
}

if read -r other 2>/dev/null <"$out/live-$task" && [ "$other" != $$ ] && alive "$other"; then
    echo "$task: $other and $$" >>"$out/twice"
fi
echo $$ >"$out/live-$task"
stamp start
nth=$(grep -c "^start $task " "$out/stamps")
trap 'stamp end' EXIT

plan=$fleet/plans/default
[ ! -e "$fleet/plans/$task" ] || plan=$fleet/plans/$task
[ ! -e "$fleet/plans/$task-$attempt" ] || plan=$fleet/plans/$task-$attempt
. "$plan"
