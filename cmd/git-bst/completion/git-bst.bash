# Completion of `git bst` and `git-bst` for bash. git's own completion loads a file of this name and
# calls _git_bst.

# Fills COMPREPLY with what the last of the words may become. git's completion adds no blank, so
# that is done here.
__git_bst_reply() {
	local word _
	COMPREPLY=()
	while IFS=$'\t' read -r word _; do
		[[ -n $word ]] && COMPREPLY+=("$(printf '%q' "$word") ")
	done < <(git ${__git_C_args[@]+"${__git_C_args[@]}"} bst __complete "$@" 2>/dev/null)
}

_git_bst() {
	local i
	for ((i = 1; i < cword; i++)); do
		[[ ${words[i]} == bst ]] && break
	done
	__git_bst_reply "${words[@]:i+1:cword-i}"
}

__git_bst_alone() {
	local words=("${COMP_WORDS[@]}") cword=$COMP_CWORD __git_C_args=()
	__git_bst_reply "${words[@]:1:cword}"
}

complete -o bashdefault -o default -o nospace -F __git_bst_alone git-bst
