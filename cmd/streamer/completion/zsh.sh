#compdef streamer
# Completion of streamer for zsh. In ~/.zshrc, after compinit:  source <(streamer completion zsh)
_streamer() {
	local -a found
	found=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n ${found[1]} ]]; then
		compadd -U -- "${found[@]}"
	else
		_files
	fi
}
# As a file in fpath, this is the function itself, which was just called for the first time.
if [[ ${funcstack[1]} == _streamer ]]; then
	_streamer "$@"
else
	compdef _streamer streamer
fi
