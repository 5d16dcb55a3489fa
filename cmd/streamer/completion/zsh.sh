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
compdef _streamer streamer
