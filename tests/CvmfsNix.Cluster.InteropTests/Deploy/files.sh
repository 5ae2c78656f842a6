#!/bin/bash
# Has a deployment file read by the program it is for.
#   files.sh WHAT WORK TOP    WORK: an empty folder, TOP: the source tree
# Exit 0: accepted. Exit 77: the program is not here, said on standard output.
set -euo pipefail
what=$1 work=$2 deploy=$3/deploy top=$3
need() { command -v "$1" >/dev/null || { echo "$1 is not installed ($2)"; exit 77; }; }
fail() { echo "$what: $*" >&2; exit 1; }
PATH=$PATH:/usr/sbin

case $what in
    systemd)
        need systemd-analyze systemd
        # A root of its own, where the program is at its place.
        mkdir -p "$work/usr/lib/cvmfsnix" "$work/etc/systemd/system"
        ln -s usr/lib "$work/lib"
        cp -r /lib/systemd "$work/usr/lib/"
        install -m 755 /bin/true "$work/usr/lib/cvmfsnix/cvmfsnix-node"
        cp "$deploy"/systemd/*.service "$work/etc/systemd/system/"
        units=(cvmfsnix-core.service cvmfsnix-stratum1.service)
        verify() { systemd-analyze verify --root="$work" --man=no "${units[@]}" 2>&1; }
        said=$(verify) || fail "$said"
        [ -z "$said" ] || fail "$said"
        for unit in "${units[@]}"; do
            systemd-analyze security --offline=yes --root="$work" --threshold=20 "$unit" >"$work/security" 2>&1 || fail "$(tail -n 1 "$work/security")"
        done
        systemd-sysusers --dry-run "$deploy/systemd/cvmfsnix.sysusers" >/dev/null 2>"$work/sysusers" || fail "$(cat "$work/sysusers")"
        # This check would see a mistake.
        echo 'ProtectSistem=strict' >>"$work/etc/systemd/system/cvmfsnix-core.service"
        sed -i 's/^Restart=always/Restart=allways/' "$work/etc/systemd/system/cvmfsnix-core.service"
        [ -n "$(verify || true)" ] || fail "a broken unit was accepted"
        ;;
    nginx)
        need nginx nginx-light
        sed "s|/var/cache/nginx|$work|" "$deploy/proxies/nginx.conf" >"$work/cvmfsnix.conf"
        printf 'error_log stderr; pid %s/pid;\nevents {}\nhttp { access_log off; include %s/cvmfsnix.conf; }\n' "$work" "$work" >"$work/nginx.conf"
        nginx -t -e stderr -c "$work/nginx.conf"
        ;;
    squid)
        need squid squid
        squid -k parse -f "$deploy/proxies/squid.conf" >"$work/said" 2>&1 || fail "$(cat "$work/said")"
        ! grep -E 'WARNING|ERROR|FATAL' "$work/said" || fail "squid is not content"
        ;;
    prometheus)
        need promtool prometheus
        promtool check rules "$deploy/monitoring/alerts.yml"
        (cd "$deploy/monitoring" && promtool test rules alerts.test.yml)
        # An alarm without a page is noise, and a page without an alarm is never read.
        sed -n 's/^ *- alert: //p' "$deploy/monitoring/alerts.yml" | sort >"$work/alarms"
        sed -n 's/^### \(CvmfsNix[A-Za-z]*\)$/\1/p' "$top/docs/deploy.md" | sort >"$work/pages"
        diff "$work/alarms" "$work/pages" || fail "alarms (<) and their pages in docs/deploy.md (>) differ"
        ;;
    grafana)
        need promtool prometheus
        need jq jq
        dashboard=$deploy/monitoring/grafana-dashboard.json
        [ "$(jq '[.panels[].id] | (length == (unique | length)) and length > 10' "$dashboard")" = true ] || fail "panels have no ids of their own"
        # Each expression, as a rule that the query language's own parser reads.
        {
            printf 'groups:\n  - name: dashboard\n    rules:\n'
            jq -r '.panels[].targets[].expr' "$dashboard" | sed 's/\$repository/.*/g' | awk '{ gsub(/\047/, "\047\047"); printf "      - {record: \"panel:%d\", expr: \047%s\047}\n", NR, $0 }'
        } >"$work/panels.yml"
        promtool check rules "$work/panels.yml"
        ;;
    nixos)
        need nix-instantiate nix-bin
        export HOME=$work NIX_STORE_DIR=$work/store NIX_STATE_DIR=$work/var NIX_LOG_DIR=$work/log NIX_CONFIG='build-users-group ='
        nix-instantiate --eval --strict --json "$3/tests/CvmfsNix.Cluster.InteropTests/Deploy/nixos.nix" --arg module "$deploy/nixos/cvmfsnix.nix" >"$work/said"
        grep -q 'cvmfsnix-node --config' "$work/said" || fail "no service: $(cat "$work/said")"
        # A store is read-only even for its owner.
        chmod -R u+w "$work"
        ;;
    yaml)
        need python3 python3-yaml
        python=/usr/bin/python3
        "$python" -c 'import yaml' 2>/dev/null || { echo "the yaml module of $python is not installed (python3-yaml)"; exit 77; }
        "$python" - "$top"/docker-compose.cluster.yml "$deploy"/kubernetes/*.yaml "$deploy"/monitoring/*.yml <<'PYTHON'
import sys, yaml
class Unique(yaml.SafeLoader): pass
def mapping(loader, node, deep=False):
    keys = [loader.construct_object(k, deep=True) for k, _ in node.value if k.tag != 'tag:yaml.org,2002:merge']
    assert len(keys) == len(set(keys)), f'a key is there twice: {node.start_mark}'
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)
Unique.add_constructor('tag:yaml.org,2002:map', mapping)
objects = {}
for name in sys.argv[1:]:
    for document in yaml.load_all(open(name), Unique):
        if document and 'kind' in document and 'metadata' in document:
            objects[document['kind'], document['metadata']['name']] = document
for (kind, name), o in objects.items():
    if kind != 'StatefulSet': continue
    spec, labels = o['spec'], o['spec']['template']['metadata']['labels']
    assert spec['selector']['matchLabels'] == labels, name
    assert objects['Service', spec['serviceName']]['spec']['clusterIP'] == 'None', name
    pod = spec['template']['spec']
    volumes = {v['name'] for v in pod['volumes']} | {c['metadata']['name'] for c in spec['volumeClaimTemplates']}
    for c in pod['containers']:
        assert {m['name'] for m in c['volumeMounts']} == volumes, name
        assert c['securityContext']['readOnlyRootFilesystem'] and not c['securityContext']['allowPrivilegeEscalation'], name
        for e in c['env']:
            ref = e['valueFrom'].get('secretKeyRef')
            assert not ref or ref['key'] in objects['Secret', ref['name']]['stringData'], e
    for v in pod['volumes']:
        if 'secret' in v: assert ('Secret', v['secret']['secretName']) in objects, v
        if 'persistentVolumeClaim' in v: assert ('PersistentVolumeClaim', v['persistentVolumeClaim']['claimName']) in objects, v
    assert pod['securityContext']['runAsNonRoot'], name
    for kind2 in ('PodDisruptionBudget',):
        assert objects[kind2, name]['spec']['selector']['matchLabels'] == labels, name
print(len(objects), 'objects')
PYTHON
        ;;
    *) fail "not known" ;;
esac
