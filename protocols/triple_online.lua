-- Online stimulation: a few pulses at 10 Hz in each trial of a task.
local mp = require "moonpulse"

return mp.protocol {
  id = "triple_online",
  name = "Online triple/quintuple pulse 10 Hz",
  family = "imaging and online",
  aim = "to disturb a site while it is needed in a task",
  cite = "Pitcher D et al. 2007 Curr Biol 17:1568",
  doi = "10.1016/j.cub.2007.07.063",
  target = "visual/cognitive sites",
  dose = "60 %MSO or 100-110 %RMT/PT",
  session = "per trial, 60-200 trials",
  reported = "500 ms of stimulation per trial",
  evidence = "M-M",
  unconfirmed = "number of pulses, rate, intensity and interval of trials were written down from "
    .. "memory",
  note = "Doublet: 2 pulses 40-100 ms apart; triple: 0/100/200 ms or 0/50/100 ms after the "
    .. "stimulus's onset. The trials are paced by the task: 5 s stands in for it.",
  params = {
    pulses = { default = 5, min = 1, max = 10, help = "pulses of a trial" },
    hz = { default = 10.0, min = 1, max = 25, help = "pulse rate" },
    trials = { default = 60, min = 1, max = 500, help = "number of trials" },
    every = { default = 5.0, min = 1, max = 60, help = "seconds from trial to trial, onset to onset" },
    intensity = { default = mp.mso(60), min = 1, max = 130, help = "60 %MSO or 100-110 %RMT" },
  },
  plan = function(p)
    local burst = mp.burst { pulses = p.pulses, hz = p.hz, intensity = p.intensity }
    return burst:times(p.trials, { every = p.every })
  end,
}
