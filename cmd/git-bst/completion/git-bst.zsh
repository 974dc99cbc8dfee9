#compdef git-bst
# Completion of `git bst` and `git-bst` for zsh. git's own completion calls _git-bst.

zstyle -g _git_bst_commands ':completion:*:*:git:*' user-commands
if [[ ${_git_bst_commands[(r)bst:*]} == '' ]]; then
	zstyle ':completion:*:*:git:*' user-commands $_git_bst_commands 'bst:build BuildStream elements from git work trees'
fi
unset _git_bst_commands

_git-bst() {
	local line word
	local -a candidates
	for line in ${(f)"$(git bst __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
		word=${${line%%$'\t'*}//:/\\:}
		if [[ $line == *$'\t'* ]]; then
			candidates+=("$word:${line#*$'\t'}")
		else
			candidates+=("$word")
		fi
	done
	if (( $#candidates )); then
		_describe -t git-bst 'git bst' candidates
	else
		_files
	fi
}

if [[ $funcstack[1] == _git-bst ]]; then
	_git-bst "$@"
fi
