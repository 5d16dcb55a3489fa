# Completion of streamer for fish. In ~/.config/fish/config.fish:  streamer completion fish | source
function __streamer_complete
	set -l words (commandline -opc)
	set -l current (commandline -ct)
	command $words[1] complete -- $words[2..-1] "$current" 2>/dev/null
end
complete -c streamer -a '(__streamer_complete)'
