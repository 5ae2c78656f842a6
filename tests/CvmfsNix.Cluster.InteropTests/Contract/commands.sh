#!/bin/bash
# Runs the commands scripts rely on, as they are documented: default ports, default server. Wants an empty folder $1 for results, the
# programs on PATH, and default ports that are free (ContractTests gives it a network namespace of its own).
# Every command leaves NAME.out, NAME.err and NAME.code in the folder.
set -u
results=$1
cd "$results" || exit 2
ip link set lo up 2>/dev/null

run() { # NAME COMMAND…
    local name=$1
    shift
    "$@" >"$name.out" 2>"$name.err"
    echo $? >"$name.code"
}

cvmfsnix-node --data "$results/one" >node.out 2>node.err &
node=$!
for _ in $(seq 600); do
    grep -q '^READY ' node.out && break
    kill -0 $node 2>/dev/null || break
    sleep 0.1
done

run version cvmfsnix --version
run node-version cvmfsnix-node --version
run help cvmfsnix publish --help
run ready curl -s -o ready.body -w '%{http_code}' http://127.0.0.1:8558/ready
run alive curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8558/alive
run management-status curl -s http://127.0.0.1:8558/status
run node-healthcheck cvmfsnix-node healthcheck
run node-healthcheck-none cvmfsnix-node healthcheck --management http://127.0.0.1:9
run second-node cvmfsnix-node --data "$results/one"
run wrong-switch cvmfsnix-node --dta x --roles nothing
run wrong-command cvmfsnix publish --repoo x

F=software.example.org
run repo-create cvmfsnix repo create $F --json
run repo-create-shake cvmfsnix repo create shake.example.org --hash shake128 --json
run repo-create-again cvmfsnix repo create $F --json
run repo-show cvmfsnix repo show $F --json
run repo-list cvmfsnix repo list --json

cvmfsnix dev make-closure closure >closure.out 2>closure.err
paths=$(ls -d closure/nix/store/*-* | sed 's#^closure##' | sort)
first=$(echo "$paths" | head -n 1)
from="--store-root closure --registration closure/registration"
T=$(cat transaction)
app=$(cat closure.out)
run publish cvmfsnix publish --repo $F "$app" $from --profile app --transaction "$T" --wait committed --json
run publish-retry cvmfsnix publish --repo $F "$app" $from --profile app --transaction "$T" --wait committed --json
run publish-again cvmfsnix publish --repo $F $paths $from --json
run publish-reused cvmfsnix publish --repo $F $first $from --transaction "$T" --no-closure --json
run publish-unknown cvmfsnix publish --repo nowhere.example.org $first $from --no-closure --json
run publish-shake cvmfsnix publish --repo shake.example.org $paths $from --conflict refuse --json
run publish-unreachable cvmfsnix --server http://127.0.0.1:9 --timeout 1 publish --repo $F $first $from --json
{
    printf '{"transaction":"%s","repository":"%s","paths":["%s"],"closure":true}\n' "$(sed -n 2p transactions)" $F "$first"
    printf '{"transaction":"%s","repository":"nowhere.example.org","paths":["%s"],"closure":true}\n' "$(sed -n 3p transactions)" "$first"
} >batch.in
run publish-batch cvmfsnix publish --batch batch.in --parallel 2 $from --json
run publish-batch-stdin sh -c "cvmfsnix publish --batch - $from --json < batch.in"

run status cvmfsnix status --json
run status-transaction cvmfsnix status --repo $F --transaction "$T" --json
run wait cvmfsnix wait --repo $F --revision 2 --json
run wait-transaction cvmfsnix wait --repo $F --transaction "$T" --json
run wait-timeout cvmfsnix --timeout 1 wait --repo $F --revision 99 --json

run key-show cvmfsnix key show $F
run key-show-nix cvmfsnix key show $F --nix
run key-show-json cvmfsnix key show $F --json
U=http://127.0.0.1:8000/cvmfs/$F
cvmfsnix key show $F >$F.pub
run ls cvmfsnix ls -lR --digest --json / --url $U --pubkey $F.pub
run ls-repo cvmfsnix ls --json /nix/store --repo $F
run ls-tag cvmfsnix ls --json / --url $U --pubkey $F.pub --tag trunk-previous
run ls-missing cvmfsnix ls --json /nope --repo $F
file=$(cd closure && find nix/store -type f | sort | head -n 1)
run cat cvmfsnix cat "/$file" --url $U --pubkey $F.pub
cp "closure/$file" cat.expected
run get cvmfsnix get "$first" got --repo $F
run get-same diff -r --no-dereference "closure$first" got
run head curl -sI $U/.cvmfs_master_replica
run cli-healthcheck cvmfsnix healthcheck

cp one/node.json node.json
kill -TERM $node
wait $node
echo $? >node.code
[ ! -e one/node.json ]
echo $? >node-json-removed.code
