-- Single pulses at the trough and at the peak of an EEG rhythm in random order: does the MEP depend on its
-- phase? The operator enters each MEP; the run says at its end what each phase made of it.
--
--   moonpulse run phase_locked --rmt 48
--   moonpulse run phase_locked --rmt 48 --device magventure --port /dev/ttyUSB0 -p from=udp:127.0.0.1:5005
--
-- Samples come from a program that reads the amplifier (docs/closed-loop.md), one channel, already the one
-- that has the rhythm, as C3 less the mean of its neighbours. Without from= the rhythm is simulated.
local mp = require "moonpulse"

return mp.experiment {
  name = "Phase-locked single pulses, with MEPs",
  aim = "to see whether corticospinal excitability depends on the phase of the mu rhythm",
  cite = "Zrenner C et al. 2018 Brain Stimul 11:374-389",
  doi = "10.1016/j.brs.2017.11.016",
  params = {
    trials = { default = 20, min = 1, max = 500, help = "of each phase" },
    intensity = { default = mp.rmt(110), min = 1, max = 150, help = "of each pulse" },
    shortest = { default = 2.0, min = 1, max = 60, help = "shortest interval of two pulses, s" },
    from = { default = "simulated", help = "where samples come from: udp:127.0.0.1:PORT, unix:/PATH" },
    rate = { default = 1000, min = 200, max = 20000, help = "samples a second" },
    delay = { default = 0.0, min = 0, max = 0.5, help = "s, how old a sample is when it comes" },
    lowest = { default = 8.0, min = 3, max = 40, help = "of the rhythm, Hz" },
    highest = { default = 13.0, min = 4, max = 45, help = "of the rhythm, Hz" },
    least = { default = 0.0, min = 0, max = 1000, help = "amplitude below which no pulse is given" },
    patience = { default = 30.0, min = 1, max = 600, help = "s without such a phase, then the run ends" },
  },
  run = function(run)
    local stim, p = run:device(), run.params
    local eeg = run:signal { rate = p.rate, delay = p.delay, from = p.from ~= "simulated" and p.from or nil,
      simulated = { hz = (p.lowest + p.highest) / 2, snr_db = 0 } }
    local trials = run:shuffle({ { name = "trough", degrees = 180 }, { name = "peak", degrees = 0 } },
      { blocks = p.trials }) -- each once in two trials

    local meps = { trough = {}, peak = {} }
    stim:arm(mp.pulse(p.intensity)) -- at its intensity: no setting is in the way of a pulse
    local next_at = run:now() + p.shortest
    for i, trial in ipairs(trials) do
      run:sleep(math.max(0, next_at - run:now()))
      local at, about = eeg:await_phase { hz = { p.lowest, p.highest }, degrees = trial.degrees,
        least = p.least, timeout = p.patience }
      if not at then
        run:note(("ends after %d of %d trials: %s"):format(i - 1, #trials, about.why))
        break
      end
      stim:fire(mp.pulse(p.intensity):label(trial.name), { at = at })
      next_at = at + p.shortest
      local mep = tonumber(run:ask(("%d of %d: MEP in uV? [number 0 to 50000]"):format(i, #trials)))
      table.insert(meps[trial.name], mep)
    end
    stim:disarm()

    for _, name in ipairs { "trough", "peak" } do
      local sum = 0
      for _, mep in ipairs(meps[name]) do sum = sum + mep end
      run:note(#meps[name] == 0 and name .. ": no MEP"
        or ("%s: mean MEP %.0f uV of %d trials"):format(name, sum / #meps[name], #meps[name]))
    end
  end,
}
