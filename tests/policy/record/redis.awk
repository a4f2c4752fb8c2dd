# SPDX-License-Identifier: MIT
# Commands for redis-cli: a cache of values of different sizes is filled, then
# some keys are asked for far more often than others (Zipf's distribution with
# exponent 1).  One command of ten sets the value anew, and a scan comes by
# three times.

function text(length_bytes) {
	return substr(filling, int(rand() * 1000) + 1, length_bytes)
}

function key() {
	return "user:" int(exp(rand() * log(keys))) * 7919 % keys
}

BEGIN {
	srand(1)
	while (length(filling) < 4000)
		filling = filling int(rand() * 1000000)
	for (i = 0; i < keys; i++)
		print "SET user:" i " " text(200 + rand() * 2400)
	for (i = 0; i < requests; i++) {
		if (rand() < 0.1)
			print "SET " key() " " text(200 + rand() * 2400)
		else
			print "GET " key()
		if (i % int(requests / 4) == int(requests / 8))
			for (j = 0; j < keys; j += 50)
				print "STRLEN user:" j
	}
	print "SHUTDOWN NOSAVE"
}
