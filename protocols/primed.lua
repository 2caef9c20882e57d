-- Priming: continuous theta burst, a pause of ten minutes, then intermittent theta burst.
local mp = require "moonpulse"

return mp.protocol {
  id = "prime_ctbs_itbs",
  name = "Priming: cTBS 600 then iTBS 600",
  family = "theta burst",
  aim = "to make iTBS facilitate more by lowering excitability first (metaplasticity)",
  cite = "Zhang JJ, Fong KNK. 2021 Front Hum Neurosci; Opie GM 2017; Todd G 2009",
  doi = "10.3389/fnhum.2021.626887",
  target = "M1",
  dose = "80 %AMT (70 %RMT in Opie 2017)",
  session = "two blocks, 10 min gap (range 5-15)",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "40 s + 10 min + 192 s",
  evidence = "S; order and gap M-M",
  unconfirmed = "the order (cTBS, then iTBS) and the gap of 10 min were written down from memory",
  note = "Block 1 is ctbs600, block 2 is itbs600. The pause is taken as the gap from block 1's "
    .. "nominal end (40 s) to block 2's first pulse.",
  params = {
    pause = { default = 600.0, min = 60, max = 3600,
      help = "seconds from the end of cTBS to the start of iTBS; 5 to 15 min in the literature" },
    intensity = { default = mp.amt(80), min = 1, max = 130, help = "80 %AMT; 70 %RMT in Opie 2017" },
  },
  plan = function(p)
    local burst = mp.burst { pulses = 3, hz = 50, intensity = p.intensity }
    local ctbs = mp.train { of = burst, hz = 5, count = 200 }
    local itbs = mp.train { of = burst, hz = 5, duration = 2 }:times(20, { every = 10 })
    return mp.mark "cTBS" .. ctbs .. mp.rest(p.pause) .. mp.mark "iTBS" .. itbs
  end,
}
