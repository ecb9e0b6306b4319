#!/usr/bin/env bash
# Removes the log of the run of Serverless Devs that calls this. Its component
# fc3 writes down all that it is given, secrets too, in a file that everybody on
# this machine may read. What went wrong is on the terminal.
set -euo pipefail

: "${serverless_devs_traceid:?is set by Serverless Devs, which this is for}"
rm -rf "${serverless_devs_config_home:-$HOME}/.s/logs/$serverless_devs_traceid"
