"""The kill test: real processes, killed and paused at seeded instants, while known readings and alert causes flow.

python -m tests.kill --broker embedded|kafka --seed N --readings N --causes N
python -m tests.kill --seconds 90            a smoke of it
"""
