-- A disk that hangs while a run goes on, while its record is closed, while its report is written: the device
-- is safe, the end is named by itself, and what is left can be recovered.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local on_disk, no_shim = require "shim".of "disk"

if not on_disk then
  return it("a disk that hangs", function() return pending(no_shim) end)
end

describe("a disk that hangs", function()
  local folder, job
  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", plan = function()
        return mp.train { pulses = 100, every = 1, intensity = mp.mso(40) } end }]])
  end)
  after_each(function()
    job:kill()
    shell.remove(folder)
  end)

  --- A run of which some files' disk hangs from when hang() is called.
  local function start(files)
    job = shell.start(folder, "run", ("run %s/made.lua --timing host --tolerance 1000 --out %s/runs"):format(
      folder, folder), ("%s DISK_OF='%s' DISK_HANGS=%s/hangs"):format(on_disk, files, folder))
    shell.await(function()
      local run = shell.names(folder .. "/runs")[1]
      return run and (shell.read(folder .. "/runs/" .. run .. "/twin.tsv") or ""):find("\tpulse\t")
    end, "a pulse")
    return fixture.run_in(folder .. "/runs")
  end

  local function hang()
    shell.write(folder .. "/hangs", "")
  end

  local function hears(pattern)
    shell.await(function() return job:err():find(pattern) end, pattern)
  end

  --- "moonpulse recover PATH", as a pattern.
  local function recover(path)
    return ("moonpulse recover " .. path .. "\n"):gsub("%p", "%%%0")
  end

  --- Signals until it has ended, each so much later that it counts.
  local function insist()
    while not job:ended() do
      job:signal("INT")
      core.wait(0.4)
    end
    return job:wait()
  end

  local function assert_safe(path)
    local last
    for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
      last = row.event ~= "get" and row.event or last
    end
    assert.are.equal("disarm", last)
  end

  --- recover finds what the simulator gave.
  local function assert_recovers(path, stop)
    os.remove(folder .. "/hangs")
    assert.are.equal("running", cjson.decode((shell.read(path .. "/manifest.json"))).status)
    local status, _, err = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(0, status, err)
    local result = cjson.decode((shell.read(path .. "/manifest.json"))).result
    assert.are.same({ "interrupted", stop }, { result.status, result.stop })
    local given = select(2, shell.read(path .. "/twin.tsv"):gsub("\tpulse\t", ""))
    assert.is_true(given > 0)
    assert.are.equal(given, result.pulses_sent)
  end

  it("during the run ends it, by itself", function()
    local path = start "events.tsv"
    hang()
    assert.are.equal(5, job:wait())
    assert.matches("moonpulse: [^\n]*was ended; [^\n]*the record is not closed: " .. recover(path), job:err())
    assert.matches(("moonpulse: the disk hangs, it does not take %s/events.tsv: write to another one with "
      .. "--out DIR, but"):format(path), job:err(), 1, true)
    assert.is_nil(job:err():find("busy"))
    shell.await(function() return shell.read(path .. "/twin.tsv"):find("\tdisarm\t") end, "the safe frame")
    assert_safe(path)
    assert_recovers(path, "stuck")
  end)

  it("during the run for a while is what the run was stopped by", function()
    local path = start "events.tsv"
    hang()
    shell.await(function() return shell.read(path .. "/twin.tsv"):find("\tdisarm\t") end, "the safe frame")
    core.wait(1) -- it hangs for much longer than a busy computer keeps anybody waiting
    os.remove(folder .. "/hangs")
    assert.are.equal(5, job:wait())
    local words = "the disk hung: Moonpulse waited for half a second and more to write "
    assert.matches("moonpulse: " .. words .. path .. "/events.tsv", job:err(), 1, true)
    assert.matches("; write the record to a disk of this computer, or another one, with --out DIR",
      job:err(), 1, true)
    local manifest = cjson.decode((shell.read(path .. "/manifest.json")))
    assert.are.same({ "stopped", "stuck", words .. "events.tsv" },
      { manifest.status, manifest.result.stop, manifest.result.reason })
  end)

  it("in an experiment is not the script's", function()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm()
        for _ = 1, 100 do
          stim:fire(mp.pulse { intensity = mp.mso(40) })
          run:sleep(0.3)
        end
      end)]])
    local path = start "journal.jsonl"
    hang()
    shell.await(function() return shell.read(path .. "/twin.tsv"):find("\tdisarm\t") end, "the safe frame")
    core.wait(1) -- it hangs for much longer than a busy computer keeps anybody waiting
    os.remove(folder .. "/hangs")
    assert.are.equal(5, job:wait())
    assert.matches(("the disk hung: Moonpulse waited for half a second and more to write %s/journal.jsonl")
      :format(path), job:err(), 1, true)
    assert.is_nil(job:err():find("yield"))
  end)

  it("while the record is closed is said with the end's name, and three signals end it", function()
    local path = start "manifest.json"
    hang()
    job:signal("TERM")
    hears("moonpulse: [^\n]*signal[^\n]*; the record is still being written, and the disk takes its time: "
      .. "wait, or end it with three signals, then: " .. recover(path))
    assert_safe(path)
    assert.is_false(job:ended())
    assert.are.equal(5, insist())
    assert.matches("ended by a third signal; the record is not closed: " .. recover(path), job:err())
    assert_recovers(path, "signal")
  end)

  it("while the record is closed loses nothing where it goes on", function()
    local path = start "manifest.json"
    hang()
    job:signal("INT")
    hears("the record is still being written")
    os.remove(folder .. "/hangs")
    assert.are.equal(5, job:wait())
    local manifest = cjson.decode((shell.read(path .. "/manifest.json")))
    assert.are.same({ "stopped", "signal", true }, { manifest.status, manifest.result.stop,
      manifest.result.disarmed })
  end)

  it("while the report is written leaves a closed record", function()
    local path = start "report.html"
    hang()
    job:signal("INT")
    assert.are.equal(5, insist())
    assert.matches("ended by a third signal; the record is closed; where its report is missing", job:err())
    assert.are.equal("stopped", cjson.decode((shell.read(path .. "/manifest.json"))).status)
    os.remove(folder .. "/hangs")
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. path)))
    assert.is_string(shell.read(path .. "/report.html"))
  end)
end)
