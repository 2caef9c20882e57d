-- Event codes at a parallel port (ppdev) and as pulses of a line: what stood there, by what the preloaded
-- port saw (tests/rig), which knows nothing of the record.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local coded = [[
local mp = require "moonpulse"
return mp.protocol { id = "coded", name = "Coded", plan = function()
  local pulse = mp.pulse { intensity = mp.mso(40), code = 7 }
  return mp.mark("S1", { code = 200 }) .. mp.rest(GAP) .. pulse:times(2, { every = EVERY })
end }
]]

describe("event codes at", function()
  local folder, jobs
  local with_port, no_port = require "shim".of "parport"
  local with_lines, no_lines = require "shim".of "modem"

  fixture.each_test(function(...) folder, jobs = ... end)

  local function write(every)
    shell.write(folder .. "/coded.lua", (coded:gsub("EVERY", every):gsub("GAP", every > 1 and 1 or 0.2)))
  end

  --- Start a run of it; what it prints as shell text in front: the environment.
  local function start(codes, environment)
    return jobs:start("job", ("run %s/coded.lua --out %s/runs --tolerance 1000 --codes %s"):format(folder,
      folder, codes), environment)
  end

  --- The values of a log of the shim, "claim 0 200 0 ", and their times.
  local function values(log)
    local list, times = {}, {}
    for at, value in (shell.read(log) or ""):gmatch "(%d+) ([^\n]+)\n" do
      list[#list + 1], times[#times + 1] = value, math.tointeger(tonumber(at))
    end
    return table.concat(list, " "), times
  end

  local function code_rows()
    local list = {}
    for _, row in ipairs(select(2, fixture.pulse_rows(fixture.run_in(folder .. "/runs")))) do
      list[#list + 1] = row.event == "code" and row or nil
    end
    return list
  end

  describe("a parallel port", function()
    if not with_port then
      return it("is there", function() return pending(no_port) end)
    end
    local log, environment

    before_each(function()
      log = folder .. "/pins.log"
      environment = ("%s PARPORT_LOG=%s"):format(with_port, log)
      os.execute(("ln -s /dev/null %s/parport0"):format(folder))
    end)

    it("stand at its data pins, and 0 follows; it is claimed before and let go of behind", function()
      write(0.2)
      local job = start(folder .. "/parport0,width=20", environment)
      assert.are.equal(0, job:wait(), job:err())
      local seen, times = values(log)
      assert.are.equal("claim 0 200 0 7 0 7 0 release", seen)
      local found = fixture.run_in(folder .. "/runs")
      local _, start_ns = core.flight_read(found .. "/flight.bin")
      local rows = code_rows()
      assert.are.equal(3, #rows)
      for i, row in ipairs(rows) do -- it stood there once its row says so, and not for less than its width
        assert.are.equal("sent", row.status)
        assert.is_true(times[2 * i + 1] >= start_ns + math.floor(tonumber(row.onset_sent_us) * 1000))
        assert.is_true(times[2 * i + 2] - times[2 * i + 1] >= 19000000)
      end
      assert.matches("a byte at the data pins of ", job:out(), 1, true)
      assert.is_nil(fixture.manifest(found).codes.baud)
      assert.are.equal(0, (shell.moonpulse(folder, "verify " .. found)))
    end)

    it("are back at 0 when the run is killed while one stands", function()
      write(5)
      local job = start(folder .. "/parport0,width=900", environment)
      shell.await(function() return values(log):find " 7$" end, "the code")
      job:signal "KILL"
      shell.await(function() return values(log):find " 7 0$" end, "its end")
      assert.are.equal(137, job:wait())
    end)

    it("that goes amid the run cost no pulse: it is said once, recorded, and the run goes on", function()
      write(1.1)
      local job = start(folder .. "/parport0", ("%s PARPORT_GONE=%s/gone"):format(environment, folder))
      shell.await(function() return values(log):find " 200 0$" end, "the first code")
      shell.write(folder .. "/gone", "")
      assert.are.equal(0, job:wait(), job:err())
      local _, told = job:err():gsub("not given to the box, and the run goes on: the port of the box is", "")
      assert.are.equal(1, told)
      local status = {}
      for i, row in ipairs(code_rows()) do
        status[i] = row.status
      end
      assert.are.same({ "sent", "not_taken", "not_taken" }, status)
      for _, row in ipairs((fixture.pulse_rows(fixture.run_in(folder .. "/runs")))) do
        assert.are.equal("delivered", row.status)
      end
    end)

    it("that another driver has are refused at once", function()
      write(0.2)
      local job = start(folder .. "/parport0", environment .. " PARPORT_HOLDER=lp")
      assert.are.equal(4, job:wait())
      assert.matches("is in use by another program, or by the printer driver", job:err(), 1, true)
    end)
  end)

  it("a path where no parallel port is are refused", function()
    write(0.2)
    for path, said in pairs { ["/dev/parport77"] = "is there one, and is the module ppdev loaded",
      [folder .. "/parport0"] = "is no parallel port of ppdev" } do
      os.execute(("ln -sf /dev/null %s/parport0"):format(folder))
      local job = start(path)
      assert.are.equal(4, job:wait())
      assert.matches(said, job:err(), 1, true)
    end
  end)

  it("a line are a pulse of it, whatever the code, also where the run is killed amid one", function()
    if not with_lines then
      return pending(no_lines)
    end
    local box = assert(core.pty(nil, function() end))
    local log = folder .. "/lines.log"
    local environment = ("%s MODEM_LOG=%s"):format(with_lines, log)
    write(0.2)
    local job = start(box:path() .. ",line=rts,width=3", environment)
    while not job:ended() do
      core.wait(0.05)
    end
    assert.are.equal(0, job:wait(), job:err())
    local seen = "DTR 0 RTS 0" .. (" RTS 1 RTS 0"):rep(3)
    assert.are.equal(seen, (values(log)))
    local found = fixture.run_in(folder .. "/runs")
    assert.are.same({ box = box:path() .. ",line=rts,width=3", line = "rts", width_ms = 3, sent = 3,
      lost = 0 }, fixture.manifest(found).codes)
    local replies = {}
    for i, row in ipairs(code_rows()) do
      replies[i] = row.reply
    end
    assert.are.same({ "200", "7", "7" }, replies) -- the record says which ones they were
    os.remove(log)
    write(5)
    job = start(box:path() .. ",line=dtr,width=900", environment)
    while not values(log):find "DTR 1$" and not job:ended() do
      core.wait(0.01)
    end
    job:signal "KILL"
    assert.are.equal(137, job:wait())
    for _ = 1, 200 do
      core.wait(values(log):find "DTR 1 DTR 0$" and 0 or 0.05)
    end
    assert.matches("DTR 1 DTR 0$", (values(log)))
    box:close()
  end)

  it("a line of a simulated box rise at its pulse, and fall after its width", function()
    write(0.2)
    local status, _, err = shell.moonpulse(folder, ("run %s/coded.lua --speed max --codes "
      .. "/dev/ttyS9,line=rts,width=4 --out %s/runs"):format(folder, folder))
    assert.are.equal(0, status, err)
    local found = fixture.run_in(folder .. "/runs")
    local pulses, box = {}, {}
    for _, row in ipairs(shell.rows(found .. "/twin.tsv")) do
      pulses[#pulses + 1] = row.event == "pulse" and row.time or nil
    end
    for i, row in ipairs(shell.rows(found .. "/codes.tsv")) do
      box[i] = row
    end
    assert.are.equal(6, #box)
    for i = 1, 2 do
      assert.are.equal(pulses[i], box[2 * i + 1].time)
      assert.are.equal("1", box[2 * i + 1].byte)
      assert.are.equal("0", box[2 * i + 2].byte)
      assert.are.equal("4.000", ("%.3f"):format((tonumber(box[2 * i + 2].time) - tonumber(pulses[i])) * 1000))
    end
    local verified, out = shell.moonpulse(folder, "verify " .. found)
    assert.are.equal(0, verified, out)
    verified, out = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(found, folder))
    assert.are.equal(0, verified, out)
  end)

  it("a box with settings of another kind are refused", function()
    write(0.2)
    for text, said in pairs { ["/dev/x,line=cts"] = "it is rts or dtr", ["/dev/x,line=rts,baud=9600"] =
      "a line has no baud rate", ["/dev/parport0,line=rts"] = "line=rts is of a serial port" } do
      local status, _, err = shell.moonpulse(folder, ("run %s/coded.lua --codes %s"):format(folder, text))
      assert.are.equal(2, status, text)
      assert.matches(said, err, 1, true)
    end
  end)

  it("an interrupted run leave its pins at 0 as well", function()
    if not with_port then
      return pending(no_port)
    end
    write(5)
    os.execute(("ln -s /dev/null %s/parport0"):format(folder))
    local log = folder .. "/pins.log"
    local job = start(folder .. "/parport0,width=900", ("%s PARPORT_LOG=%s"):format(with_port, log))
    shell.await(function() return values(log):find " 7$" end, "the code")
    job:signal "INT"
    assert.are.equal(5, job:wait())
    assert.matches(" 7 0 release$", (values(log)))
    assert.are.equal("stopped", cjson.decode(shell.read(fixture.run_in(folder .. "/runs")
      .. "/manifest.json")).status)
  end)
end)
