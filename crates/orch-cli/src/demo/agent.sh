#!/bin/sh
# A scripted agent. Each task has trouble of its own, once; what it did before is in memory/.
memory="${0%/*}/memory/$ORCH_TASK_ID"
first=yes
[ -e "$memory" ] && first=no
: >"$memory"

case "$ORCH_TASK_ID" in
t1 | t2 | t6) file=ceo_root_manager.js ;;
t3) file=workspace_validator.js ;;
t4 | t5) file=kill_switch.js ;;
*) file=container_executor.js ;;
esac

commit() {
    git add -- "$file" && git commit --quiet -m "$ORCH_TASK_ID: work on $file"
}

echo "$ORCH_TASK_ID, attempt $ORCH_ATTEMPT: reading $file"
sleep 0.4

case "$ORCH_TASK_ID:$first" in
t2:yes)
    printf 'Continue? [y/n] '
    read -r answer
    [ "$answer" = y ] || exit 1
    ;;
t3:yes)
    echo "error: the tests failed: expected 3, got 4"
    exit 1
    ;;
t4:yes)
    echo "thinking"
    while :; do sleep 60; done
    ;;
t5:*)
    # Does the work, never commits it, not even when asked.
    grep -q "$ORCH_TASK_ID" "$file" || echo "// $ORCH_TASK_ID" >>"$file"
    echo "All tests passed"
    exit 0
    ;;
t6:yes)
    echo "// $ORCH_TASK_ID: HALF DONE" >>"$file"
    commit
    echo "All tests passed"
    exit 0
    ;;
t6:no)
    sed -i.bak '/HALF DONE/d' "$file" && rm -f "$file.bak"
    ;;
t7:yes)
    echo "allocating"
    kill -SEGV $$
    ;;
esac

echo "// $ORCH_TASK_ID" >>"$file"
commit
echo "done"
