"""`python -m trialimpact` is the command line."""

from trialimpact.cli import main

main()
