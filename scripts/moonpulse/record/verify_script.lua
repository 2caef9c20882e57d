--- verify.sh, which lies in the folder of each run: the same verdict on its files and on the chain of its
--- journal as moonpulse verify gives, for those who have no Moonpulse. It needs sh, sha256sum and awk (gawk,
--- mawk or another); it reads nothing but the folder, and is the same in every run.
local M = {}

--- Its name in the folder.
M.name = "verify.sh"

--- Its text.
M.text = [==[
#!/bin/sh
# Is this folder of a Moonpulse run as the run left it? It needs sh, sha256sum and awk.
#   sh verify.sh [FOLDER]     exit status 0: whole, 1: it differs, 6: it cannot be checked here
# It is the same in every run: where this file itself is in doubt, take that of another one.
# That all is whole shows no damage; who rewrites everything can also seal everything anew. So compare the
# seal that is printed with the one that was noted when the run ended, or check the signature.
LC_ALL=C
export LC_ALL
CDPATH=
folder=${1:-${0%/*}}
[ "$folder" = "$0" ] && folder=.
parts=${TMPDIR:-/tmp}/moonpulse-verify.$$
case $parts in /*) ;; *) parts=$PWD/$parts ;; esac
if mkdir -m 700 -- "$parts"; then
  trap 'rm -rf -- "$parts"' EXIT
  trap 'exit 1' HUP INT TERM
else
  parts=
fi
export parts
cd -- "$folder" || exit 1
bad=0
unsure=0
differs() {
  printf 'differs: %s\n' "$1"
  bad=1
}
for program in sha256sum awk; do
  command -v "$program" >/dev/null && continue
  printf 'not checked: there is no %s here: install it, or take another computer\n' "$program"
  exit 6
done

# the sums of all files in the folder $1, which is "" or ends with a slash; sha256sum is started once for up
# to a hundred that follow one another
list() {
  within=$1
  set --
  for file in "$within"* "$within".[!.]* "$within"..?*; do
    [ -e "$file" ] || [ -h "$file" ] || continue
    case $file in SHA256SUMS | SHA256SUMS.sig) continue ;; esac
    if [ -f "$file" ] && [ ! -h "$file" ] && [ "$file" != - ]; then
      set -- "$@" "$file"
      [ $# -lt 100 ] && continue
    fi
    [ $# = 0 ] || sha256sum -- "$@"
    set --
    if [ -h "$file" ]; then
      printf '%-66s%s\n' 'a link, and no file:' "$file" # the name is where sha256sum has it
    elif [ -d "$file" ]; then
      list "$file/"
    elif [ "$file" = - ] && [ -f - ]; then
      sha256sum <- # whose name is what stands for standard input
    elif [ ! -f "$file" ]; then
      printf '%-66s%s\n' 'something else than a file:' "$file"
    fi
  done
  [ $# = 0 ] || sha256sum -- "$@"
}

seal=none
for file in SHA256SUMS SHA256SUMS.sig; do # the list has all others
  if [ -h "$file" ]; then
    differs "$file: it is a link, and no file"
  elif [ -e "$file" ] && [ ! -f "$file" ]; then
    differs "$file: it is something else than a file"
  fi
done
if [ -f SHA256SUMS ]; then
  found=$(list "")
  seal=$(sha256sum <SHA256SUMS)
  seal=${seal%% *}
  if [ "$(printf '%s\n' "$found" | sha256sum)" != "$seal  -" ]; then
    bad=1
    printf '%s\n' "$found" | awk '
      { name = substr($0, 67); sum = substr($0, 1, 64) }
      part == 1 { sealed[name] = sum; next }
      !(name in sealed) { print "differs: " name ": it was not in the folder when it was sealed"; said = 1 }
      name in sealed && sealed[name] != sum { print "differs: " name ": it was changed"; said = 1 }
      { there[name] = 1 }
      END {
        for (name in sealed)
          if (!(name in there)) { print "differs: " name ": it is missing"; said = 1 }
        if (!said) print "differs: SHA256SUMS: the list itself was changed"
      }' part=1 SHA256SUMS part=2 -
  fi
else
  differs "SHA256SUMS: it is missing, so nothing says how the files were"
fi

# The journal. Of each line the SHA-256 is asked, which the next one holds: the lines are put into files, five
# hundred at a time, so that sha256sum is started once for all of them.
lines=0
head=$(printf '%064d' 0)
signed=
if [ -f journal.jsonl ] && [ -z "$parts" ]; then
  printf 'not checked: journal.jsonl: no folder can be made in %s: set TMPDIR\n' "${TMPDIR:-/tmp}"
  unsure=6
elif [ -f journal.jsonl ]; then
  awk '
    function differs(number, why) { print "differs: journal.jsonl:" number ": " why; bad = 1 }
    function check(line, number) {
      if (torn && !index(line, "\"torn_line\":" torn ",") && !index(line, "\"torn_line\":" torn "}"))
        differs(torn, "this line is torn")
      torn = 0
      if (substr(line, length(line)) != "}")
        torn = number
      else if (!index(line, "\"prev\":\"" head "\""))
        differs(number, "the line before it is not the one that was there")
      if (index(line, "\"kind\":\"signature\""))
        signed = "yes"
    }
    function check_all(   i, command, found) {
      command = "cd \"$parts\" && sha256sum"
      for (i = 1; i <= count; i++)
        command = command " " i
      for (i = 1; i <= count; i++) {
        check(waits[i], NR - count + i)
        head = (command | getline found) > 0 ? substr(found, 1, 64) : "none"
      }
      close(command)
      count = 0
    }
    BEGIN {
      head = sprintf("%064d", 0)
      folder = ENVIRON["parts"]
    }
    {
      waits[++count] = $0
      file = folder "/" count
      printf "%s", $0 >file
      close(file)
      if (count == 500) check_all()
    }
    END {
      if (count) check_all()
      if (torn) differs(torn, "this line is torn: moonpulse recover")
      print head, NR, signed >(folder "/chain")
      exit bad
    }' journal.jsonl || bad=1
  read -r head lines signed <"$parts/chain"
  noted=
  [ -f manifest.json ] && noted=$(awk '
    function value(key) {
      if (!match($0, "\"" key "\"[ ]*:[ ]*\"?[0-9a-f]+")) return ""
      text = substr($0, RSTART, RLENGTH)
      sub(/.*[^0-9a-f]/, "", text)
      return text
    }
    { if (value("journal_head") != "") noted_head = value("journal_head") }
    { if (value("journal_lines") != "") noted_lines = value("journal_lines") }
    END { print noted_head " " noted_lines }' manifest.json)
  [ "$noted" = "$head $lines" ] ||
    differs "journal.jsonl: its last line is not the one that manifest.json names (journal_head)"
else
  differs "journal.jsonl: it is missing"
fi

if [ -n "$signed" ] && [ ! -f SHA256SUMS.sig ]; then
  differs "SHA256SUMS.sig: the run was signed, and its signature is missing"
fi
[ -f SHA256SUMS.sig ] && printf 'signed: check it with moonpulse verify, or with ssh-keygen -Y verify\n'
printf 'seal:    %s\n' "$seal"
[ "$bad" = 0 ] || exit 1
[ "$unsure" = 0 ] && printf 'whole:   every file is as sealed, and the journal has its %s lines\n' "$lines"
exit "$unsure"
]==]

return M
