# Completion of `git bst` and `git-bst` for fish. It belongs into a conf.d folder: completions of
# sub-commands of git are not looked for by their names.

function __git_bst_complete
    set -l words (commandline -opc)
    set -l at 1
    if test "$words[1]" = git
        set at (contains -i -- bst $words)
        or return
    end
    set -l found (git bst __complete $words[(math $at + 1)..-1] (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end

function __git_bst_is_command
    contains -- bst (commandline -opc)
end

complete -c git -n __fish_git_needs_command -a bst -d 'build BuildStream elements from git work trees'
complete -c git -f -n __git_bst_is_command -a '(__git_bst_complete)'
complete -c git-bst -f -a '(__git_bst_complete)'
