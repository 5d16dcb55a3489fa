# Completion of streamer for bash. In ~/.bashrc:  source <(streamer completion bash)
_streamer() {
	local cur=${COMP_WORDS[COMP_CWORD]} line quoted
	COMPREPLY=()
	while IFS= read -r line; do
		case $cur in
		\"*) quoted=${line//\\/\\\\} quoted=${quoted//\"/\\\"} quoted=${quoted//\$/\\\$} quoted=${quoted//\`/\\\`} ;;
		\'*) quoted=${line//\'/\'\\\'\'} ;;
		*) printf -v quoted %q "$line" ;;
		esac
		COMPREPLY+=("$quoted")
	done < <("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _streamer streamer
