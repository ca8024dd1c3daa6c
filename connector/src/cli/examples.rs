//! Examples for `--help` of the verbs whose arguments stand in `args`. Text only.

pub(super) const TICKET: &str = "Examples:
  naru ticket --dir A                    # send the ticket; read the fingerprint out by telephone
  naru ticket --dir A --auto-accept | tail -n 1 >ticket.txt

A ticket is redeemed once. Without --auto-accept whoever redeemed it waits for `naru accept`.";

pub(super) const TRUST: &str = "Examples:
  naru trust --dir B TICKET --as hangang # shows the fingerprint and asks whether the partner told the same
  naru trust --dir B TICKET --fingerprint \"8c2a 346d 3eaa 63ac\"
  naru trust --dir B TICKET --yes        # for scripts: takes the ticket's fingerprint as compared

`naru ticket` shows the same fingerprint at the partner's.";

pub(super) const CATALOG: &str = "Examples:
  naru catalog --dir B hangang
  naru catalog --dir B hangang --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"items\"][0][\"ref\"])'

`ref` is what `naru get` takes.";

pub(super) const GET: &str = "Examples:
  naru get --dir B hangang/DATASET --purpose research --out ./in
  naru get --dir B hangang/DATASET --purpose research --out ./in --yes
  naru get --dir B hangang/DATASET --purpose research --out ./in --limit-rate 2M
  naru get --dir B hangang/DATASET --purpose research --output - --yes | zcat >table.csv

It shows what is asked, the terms, where the files go and what our own rules say, and asks before anything is signed. Ctrl-C
ends only the looking: the node goes on, and the same command again shows it. It asks nothing then and signs no other deal.";

pub(super) const AGREEMENTS: &str = "Examples:
  naru agreements --dir A
  naru agreements --dir A --json

`exchange` is what `naru end` and `naru retry` take.";

pub(super) const DEMO: &str = "Examples:
  naru demo
  naru demo --lang ko
  naru demo --json --dir ./kept          # keeps the folders and logs of both nodes, to look at";

pub(super) const INIT: &str = "Examples:
  naru init --dir A --name 한강모터스 --country KR
  naru init --dir A --name 한강모터스 --country KR --port 4801       # the port that the firewall lets in
  naru init --dir B --name \"Merlion Analytics\" --country SG --port 0  # dials out only
  naru init --dir A --name 한강모터스 --country KR --https 8443 --https-host data.hangang.example
  naru init --dir B --name \"Merlion Analytics\" --country SG --about role=controller --about certifications=APEC_CBPR

The root key is DIR/keys/root.key: the node does not need it, and it may be moved off this machine.";

pub(super) const RUN: &str = "Examples:
  naru run --dir A                       # until Ctrl-C or `naru stop`
  NARU_DIR=/var/lib/naru naru run        # as a service: examples/deploy";

pub(super) const STATUS: &str = "Examples:
  naru status --dir A                    # all that is not over, and what you can do about it
  naru status --dir A --json

Also answers while the node is down, from its folder.";

pub(super) const AUDIT: &str = "Examples:
  naru audit export --dir A --out a.zip
  naru audit verify a.zip b.zip --trust anchors.toml";

pub(super) const LOG_EXPORT: &str = "Examples:
  naru log export --dir A --out a-log    # a new folder
  naru audit verify a-log --trust anchors.toml";

pub(super) const KEYS_SHOW: &str = "Examples:
  naru keys show --dir A                 # identity, key sets, where the root key is
  naru keys show --dir A --json";

pub(super) const KEYS_ROTATE: &str = "Examples:
  naru stop --dir A && naru keys rotate --dir A && naru run --dir A
  naru stop --dir A && naru keys rotate --dir A --root /media/safe/root.key && naru run --dir A";

pub(super) const KEYS_UNLOCK: &str = "Examples:
  naru stop --dir A && naru keys unlock --dir A                # asks for the passphrase on the terminal
  NARU_PASSPHRASE_FILE=/run/secrets/naru naru keys unlock --dir A";

pub(super) const CONFIG_EXAMPLE: &str = "Examples:
  naru config example >naru.toml.example";

pub(super) const CONFIG_CHECK: &str = "Examples:
  naru config check --dir A              # also what `naru run --port 4900` would run with: --port 4900";

pub(super) const CONFIG_SHOW: &str = "Examples:
  naru config show --dir A               # each setting and where it comes from
  NARU_LISTEN_PORT=4900 naru config show --dir A --json";

pub(super) const STOP: &str = "Examples:
  naru stop --dir A                      # what is under way goes on at the next start

Returns when the node has let go of its folder.";

pub(super) const DATASETS: &str = "Examples:
  naru datasets --dir A
  naru datasets --dir A --json";

pub(super) const UNPUBLISH: &str = "Examples:
  naru unpublish --dir A urn:dxp:0123456789abcdef0123456789abcdef

`naru publish --version-of DATASET` offers it again, as a new version.";

pub(super) const PEERS: &str = "Examples:
  naru peers --dir A
  naru peers --dir A --json              # with each peer's did, which facts.json names
  naru peers accept --dir A merlion-analytics   # the same as `naru accept`";

pub(super) const ACCEPT: &str = "Examples:
  naru accept --dir A merlion-analytics  # shows its fingerprint and asks whether it told you the same
  naru accept --dir A merlion-analytics --fingerprint \"a919 41f6 8871 fef7\"";

pub(super) const PLAIN: &str = "Examples:
  naru plain --dir A --as acme --id acme-gmbh --country DE --url https://acme.example/protocol/2025-1 \\
       --authorization-file acme.txt
  naru plain --dir A --as acme --id acme-gmbh --country DE --url https://acme.example/protocol/2025-1 --renew

The base that it prints holds a secret: hand it over as a password.";

pub(super) const DIAL: &str = "Examples:
  naru dial --dir B hangang";

pub(super) const OFFER: &str = "Examples:
  naru offer --dir A merlion-analytics DATASET --purpose research --country SG

The consumer has to expect it: `naru expect` at the other side.";

pub(super) const EXPECT: &str = "Examples:
  naru expect --dir B hangang --out ./in --purpose research --country SG
  naru expect --dir B hangang --revoke";

pub(super) const EXCHANGES: &str = "Examples:
  naru exchanges --dir A
  naru exchanges --dir A --json";

pub(super) const CANCEL: &str = "Examples:
  naru cancel --dir B ID --reason \"ordered twice\"";

pub(super) const END: &str = "Examples:
  naru end --dir B AGREEMENT --reason \"the project is over\"";

pub(super) const RETRY: &str = "Examples:
  naru retry --dir B ID                  # goes on where it stopped
  naru retry --dir B ID --out ./in2      # into another folder";
