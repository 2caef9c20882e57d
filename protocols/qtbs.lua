-- Quadri-pulse theta burst: bursts of 4 pulses 1.5 ms apart, 360 of them in one continuous train.
local mp = require "moonpulse"

return mp.protocol {
  id = "qtbs",
  name = "quadri-pulse TBS (qTBS)",
  family = "theta burst",
  aim = "theta burst with bursts at the interval of I-waves",
  cite = "Jung NH et al. 2016 PLoS One 11:e0168410",
  doi = "10.1371/journal.pone.0168410",
  target = "M1",
  dose = "90 %AMT",
  session = "single session",
  sessions = { per_day = 1, days = 1, total = 1 },
  reported = "not confirmed",
  evidence = "S (360 bursts of 4 pulses, continuously, 90 %AMT, 1440 full-sine pulses); burst rate M-M",
  unconfirmed = "the rate of the bursts (5 Hz here) was not in what was read of the paper",
  note = "1.5 ms is below what commands from a host can do: it needs a device that times the "
    .. "burst itself. The paper has a variant at 200 Hz: -p isi=5.",
  params = {
    bursts = { default = 360, min = 1, max = 1000, help = "number of bursts" },
    isi = { default = 1.5, min = 1, max = 40, help = "ms from pulse to pulse inside a burst" },
    theta_hz = { default = 5.0, min = 1, max = 10, help = "rate of the bursts" },
    intensity = { default = mp.amt(90), min = 1, max = 130, help = "90 %AMT in the paper" },
  },
  plan = function(p)
    local burst = mp.train { pulses = 4, every = mp.ms(p.isi), intensity = p.intensity }
    return mp.train { of = burst, hz = p.theta_hz, count = p.bursts }
  end,
}
