"""Error rates and power of the verdicts, by simulation: `python -m bench.verdicts`.

``model``       the noise of the services: what is drawn
``policies``    five targets with six gates each: draws as checks
``procedures``  our decisions on them: at once, over the looks, against history
``rivals``      what others do on the same draws
``tally``       counts with exact intervals
``campaign``    one seed for each policy, spread over processes
``experiments`` what is drawn and counted, by name
``claims``      what the counts have to be
``mutants``     procedures with a part removed: each must break a claim
``methods``     all methods on the same runs
``results``     what a campaign found, as a file
``tables``      results as tables; ``page`` puts them into docs/error-rates.md
"""
