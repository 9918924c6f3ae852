# Completion of tensorferry(1) in bash. Commands, options and their values are those that the program's --help lists.

# _tensorferry_files PATTERN completes the names of folders, and of files that match.
_tensorferry_files() {
  local name
  compopt -o filenames 2>/dev/null
  while IFS= read -r name; do
    # shellcheck disable=SC2053 # It is a pattern.
    if [[ -d $name || $name == $1 ]]; then COMPREPLY+=("$name"); fi
  done < <(compgen -f -- "$cur")
}

_tensorferry() {
  local program=$1 cur=$2 before=$3 command='' help value index
  COMPREPLY=()
  # "=" is a word of its own: "--mode=s" are the words --mode, = and s, and "--input x=a" --input, x, = and a.
  index=$COMP_CWORD
  if [ "$cur" = = ]; then cur=''; elif [ "$before" = = ]; then index=$((index - 1)); fi
  if [ "${COMP_WORDS[index]}" = = ]; then
    before=${COMP_WORDS[index - 1]}
    if [[ $before != -* ]]; then before=${COMP_WORDS[index - 2]}; fi
  fi
  for ((index = 1; index < COMP_CWORD; ++index)); do
    if [[ ${COMP_WORDS[index]} != -* ]]; then
      command=${COMP_WORDS[index]}
      break
    fi
  done
  help=$("$program" ${command:+"$command"} --help 2>/dev/null | sed -E 's/ (Excludes|Needs): .*//')

  # "  -o,--output OUT.npz|DIR  text": one space stands before what an option takes, several before its text.
  value=
  if [[ $before =~ ^--?[a-z-]+$ ]]; then
    value=$(sed -nE "s/^  (-[a-z],)?$before(,--[a-z-]+)? ([^ ]+).*/\\3/p" <<<"$help")
  fi
  case $value in
    '') ;;
    *FILE* | *DIR*)
      _tensorferry_files '*'
      return
      ;;
    *[A-Z]*) return ;;
    *)
      mapfile -t COMPREPLY < <(compgen -W "${value//|/ }" -- "$cur")
      return
      ;;
  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(sed -nE 's/^  (-[a-z],)?(--[a-z-]+)( .*)?$/\2/p' <<<"$help")" -- "$cur")
  elif [ -z "$command" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$(sed -nE '/^Subcommands:/,/^$/s/^  ([a-z]+) .*/\1/p' <<<"$help")" -- "$cur")
  elif grep -q '^  FILE ' <<<"$help"; then
    _tensorferry_files '*.@(npy|npz|safetensors)'
  fi
}

complete -F _tensorferry tensorferry
