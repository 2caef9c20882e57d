-- TMS-fMRI: every n-th volume of the scanner gets a train, a fixed time after the volume's trigger; high
-- and low intensity in random order, each set before its volume comes.
--
--   moonpulse run scanner_locked --rmt 50 --device magventure --port /dev/ttyUSB0 --trigger-in /dev/ttyUSB1
--   moonpulse run scanner_locked --rmt 50 --triggers volumes.txt --speed max
--
-- volumes.txt has a line for each trigger: seconds, "port", the byte. A delay that keeps the pulses out of
-- the slices' readout is the sequence's own: ask whoever runs the scanner. The block of the paper, 30 pulses
-- at 3.125 Hz with 90 %AMT as its control, is the protocol tmsfmri_inter.
local mp = require "moonpulse"

return mp.experiment {
  name = "Scanner-locked TMS-fMRI",
  aim = "to see in fMRI what pulses do, with each pulse outside of the slices' readout",
  cite = "Bestmann S et al. 2004 Eur J Neurosci 19:1950-1962 (high against low intensity; trains and %RMT "
    .. "are ours)",
  doi = "10.1111/j.1460-9568.2004.03277.x",
  params = {
    byte = { default = 5, min = 0, max = 255, help = "of the scanner's trigger" },
    trains = { default = 10, min = 1, max = 200, help = "of each intensity" },
    every = { default = 6, min = 1, max = 100, help = "volumes from train to train" },
    delay = { default = 0.1, min = 0.05, max = 5, help = "s from the volume's trigger to the first pulse" },
    pulses = { default = 3, min = 1, max = 30, help = "of a train" },
    hz = { default = 10.0, min = 1, max = 12, help = "of a train" },
    high = { default = mp.rmt(110), min = 1, max = 130, help = "what is looked for" },
    low = { default = mp.rmt(70), min = 1, max = 130, help = "the control" },
    patience = { default = 30.0, min = 1, max = 600, help = "s without a volume after which the run ends" },
  },
  run = function(run)
    local stim, p = run:device(), run.params
    local function train(name, intensity)
      return mp.train { pulses = p.pulses, hz = p.hz, intensity = intensity }:label(name)
    end
    local order = run:shuffle({ train("high", p.high), train("low", p.low) },
      { blocks = p.trains }) -- each once in two trains

    local volumes = 0
    --- When the next volume's trigger came; nil: the scanner is silent.
    local function volume()
      local at = run:wait_trigger { byte = p.byte, timeout = p.patience }
      volumes = volumes + (at and 1 or 0)
      return at
    end

    for given, plan in ipairs(order) do
      stim:arm(plan) -- while the scanner goes on: no setting is in the way of the first pulse
      local at
      repeat
        at = volume()
      until not at or volumes % p.every == 0 and at > run:now() - 0.02
      if not at then
        run:note(("no volume for %g s: ends after %d trains and %d volumes"):format(p.patience, given - 1,
          volumes))
        break
      end
      stim:fire(plan, { at = at + p.delay })
      run:mark(("train %d at volume %d"):format(given, volumes))
      stim:disarm()
    end
  end,
}
