-- Cortico-cortical paired associative stimulation: two coils, 8 ms apart, one pair every 5 s.
-- Two channels: PMv and M1.
local mp = require "moonpulse"

return mp.protocol {
  id = "ccpas",
  name = "ccPAS (two coils, 8 ms)",
  family = "paired associative",
  aim = "to strengthen the path from the first site to the second",
  cite = "NIBS-BIDS v6.3 example",
  target = "PMv then M1",
  dose = "site-specific",
  session = "single session",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "8.3 min",
  evidence = "S",
  note = "Two devices, or two channels of one.",
  params = {
    pairs = { default = 100, min = 1, max = 300, help = "number of pairs, one every 5 s" },
    isi = { default = 8.0, min = 1, max = 100, help = "ms from the first site's pulse to the second's" },
    first = { default = mp.mso(1), min = 1, max = 150, needed = true, help = "intensity at PMv" },
    second = { default = mp.mso(1), min = 1, max = 150, needed = true, help = "intensity at M1" },
  },
  plan = function(p)
    local interval = mp.rest(mp.ms(p.isi)) -- one after each pulse, as in a burst
    local pair = mp.pulse(p.first):at "PMv" .. interval .. mp.pulse(p.second):at "M1" .. interval
    return pair:label "ccPAS":times(p.pairs, { every = 5 })
  end,
}
