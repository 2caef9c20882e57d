-- myprotocol: what is given, to whom, and why, in a sentence.
local mp = require "moonpulse"

return mp.protocol {
  id = "myprotocol",
  name = "My protocol",
  aim = "what it is meant to do",
  cite = "the paper that it follows: authors, year, journal, pages",
  target = "M1 (hotspot)",
  sessions = { per_day = 1 }, -- checked with --participant; leave out what the paper does not say
  params = { -- a text says what it may be: arm = { default = "active", values = { "active", "sham" } }
    trains = { default = 20, min = 1, max = 60, help = "number of trains" },
    intensity = { default = mp.rmt(90), min = 1, max = 120, help = "percent of the threshold" },
  },
  plan = function(p)
    -- 20 pulses at 10 Hz: 2 s; then 8 s of silence
    local train = mp.train { pulses = 20, hz = 10, intensity = p.intensity }
    return mp.mark "start" .. train:times(p.trains, { every = 10 })
  end,
}
