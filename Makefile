# The same commands for those who have make; run.py needs Python alone.

.PHONY: lab test check notebooks docs bench

lab test check notebooks docs bench:
	@python3 run.py $@
