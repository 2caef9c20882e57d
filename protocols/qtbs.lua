-- Quadri-pulse theta burst: bursts of 4 pulses 1.5 ms apart, repeated at 5 Hz. How many is not
-- known to us.
local mp = require "moonpulse"

return mp.protocol {
  id = "qtbs",
  name = "quadri-pulse TBS (qTBS): 4 pulses 1.5 ms apart (666 Hz), bursts at 5 Hz; counts not "
    .. "confirmed",
  family = "theta burst",
  aim = "theta burst with bursts at the interval of I-waves",
  cite = "Jung NH et al. 2016, 2021 Front Neurol 12:673560",
  doi = "10.3389/fneur.2021.673560",
  target = "M1",
  dose = "not confirmed",
  session = "single session",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "not confirmed",
  evidence = "S (abstract: 4 pulses, 1.5 ms, 666 Hz)",
  unconfirmed = "the numbers of bursts and trains, the pause between trains and the intensity "
    .. "are missing",
  note = "1.5 ms is below what commands from a host can do: it needs a device that times the "
    .. "burst itself.",
  params = {
    bursts = { default = 1, min = 1, max = 1000, needed = true, help = "bursts of a train, at 5 Hz" },
    trains = { default = 1, min = 1, max = 1000, needed = true, help = "number of trains" },
    pause = { default = 8.0, min = 0, max = 3600, needed = true,
      help = "seconds from a train's nominal end to the next train's onset" },
    intensity = { default = mp.mso(1), min = 1, max = 130, needed = true, help = "as in the paper" },
  },
  plan = function(p)
    local burst = mp.burst { pulses = 4, hz = "2000/3", intensity = p.intensity }
    local train = mp.train { of = burst, hz = 5, count = p.bursts }
    return train:times(p.trains, { gap = p.pause })
  end,
}
