# Begins every dyno: bash -c "$(this file)" launch COMMAND, with HOME set. As on Heroku: .profile.d in order, then .profile, then the command.
cd "$HOME" || exit 1
for profile in "$HOME"/.profile.d/*.sh; do
  if [ -r "$profile" ]; then source "$profile"; fi
done
unset profile
if [ -r "$HOME/.profile" ]; then source "$HOME/.profile"; fi
exec bash -c "$1"
