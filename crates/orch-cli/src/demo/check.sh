#!/bin/sh
# What every task is verified with: no file may be left half done.
if grep -n "HALF DONE" -- *.js; then
    echo "error: half done"
    exit 1
fi
echo "all files are whole"
