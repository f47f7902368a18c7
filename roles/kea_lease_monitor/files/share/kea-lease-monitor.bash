# Copyright (c) 2026, the baremetal.kea authors
# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion for kea-lease-monitor, made from the parser by tests/cli_files.py: run make cli-files
_kea_lease_monitor() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= words= word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$command $word" in
            " apply-reservations") command="apply-reservations" ;;
            " check") command="check" ;;
            " check-config") command="check-config" ;;
            " db") command="db" ;;
            "db downgrade") command="db downgrade" ;;
            "db init") command="db init" ;;
            "db upgrade") command="db upgrade" ;;
            "db version") command="db version" ;;
            " dead-letters") command="dead-letters" ;;
            "dead-letters drop") command="dead-letters drop" ;;
            "dead-letters list") command="dead-letters list" ;;
            "dead-letters retry") command="dead-letters retry" ;;
            " export") command="export" ;;
            " forget") command="forget" ;;
            " import") command="import" ;;
            " names") command="names" ;;
            " replace") command="replace" ;;
            " replay") command="replay" ;;
            " run") command="run" ;;
            " status") command="status" ;;
        esac
    done
    case $previous in
        --family) words="4 6" ;;
        --log-level) words="DEBUG INFO WARNING ERROR" ;;
        --config|--control-socket|--control-socket4|--control-socket6|--db-host|--db-name|--db-password|--db-port|--db-user|--ddns-socket|--directory|--included|--kea-config|--kea-program|--lease-file|--min-interval|--output-dir|--pools|--position|--report|--since|--state|--subnet-id|--subscription|--to|--watch) return ;;
        *)
            case "$command" in
            "") words="run check status check-config replay dead-letters forget replace export import names db apply-reservations --help --version" ;;
            "apply-reservations") words="--follow --observe --kea-program --kea-config --control-socket --lease-file --leases-elsewhere --directory --report --included --pools --min-interval --help" ;;
            "check") words="--config --delivered --help" ;;
            "check-config") words="--config --help" ;;
            "db") words="init upgrade downgrade version --help" ;;
            "db downgrade") words="--config --state --json --to --yes --dry-run --help" ;;
            "db init") words="--config --state --json --help" ;;
            "db upgrade") words="--config --state --json --to --yes --dry-run --help" ;;
            "db version") words="--config --state --json --help" ;;
            "dead-letters") words="list retry drop --help" ;;
            "dead-letters drop") words="--config --subscription --all --help" ;;
            "dead-letters list") words="--config --subscription --json --help" ;;
            "dead-letters retry") words="--config --subscription --all --help" ;;
            "export") words="--config --family --help" ;;
            "forget") words="--config --dry-run --lease --help" ;;
            "import") words="--config --family --dry-run --help" ;;
            "names") words="--ddns-socket --control-socket4 --control-socket6 --state --all --help" ;;
            "replace") words="--config --dry-run --help" ;;
            "replay") words="--config --since --position --adopt --help" ;;
            "run") words="--config --use-database-events --lease-file --db-host --db-name --db-user --db-port --db-password --subnet-id --output-dir --state --log-level --help" ;;
            "status") words="--config --json --watch --help" ;;
            esac
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _kea_lease_monitor kea-lease-monitor
