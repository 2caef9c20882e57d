--- moonpulse new driver, test, devices, as an author uses them.
local lfs = require "lfs"
local shell = require "shell"

describe("a new driver", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  --- moonpulse in the folder.
  local function moonpulse(arguments)
    local program = shell.program:sub(1, 1) == "/" and shell.program
      or lfs.currentdir() .. "/" .. shell.program
    return shell.sh(folder, ("cd %s && %s %s"):format(shell.quote(folder), shell.quote(program),
      arguments))
  end

  it("passes as it is, and runs", function()
    local status, out = moonpulse "new driver coil_box"
    assert.are.equal(0, status)
    assert.matches("moonpulse test ./coil_box_spec.lua", out, 1, true)
    assert.are.same({ "coil_box.lua", "coil_box_simulator.lua", "coil_box_spec.lua" }, shell.names(folder))
    assert.is_nil(shell.read(folder .. "/coil_box.lua"):find("mybox", 1, true))

    status, out = moonpulse "test ./coil_box_spec.lua --output TAP"
    assert.are.equal(0, status, out)
    local passed, skipped = 0, 0
    for line in out:gmatch("[^\n]+") do
      assert.is_nil(line:find("^not ok"), line)
      passed = passed + (line:find("^ok") and 1 or 0)
      skipped = skipped + (line:find("^ok.*# SKIP") and 1 or 0)
    end
    assert.is_true(passed >= 59 and skipped <= 8, ("%d passed, %d skipped"):format(passed, skipped))

    status, out = moonpulse "devices --device ./coil_box.lua"
    assert.are.equal(0, status)
    assert.matches("simulator    moonpulse run ... --device sim:./coil_box.lua", out, 1, true)

    status, out = moonpulse "run itbs600 --amt 50 --device sim:./coil_box.lua --speed max"
    assert.are.equal(0, status)
    assert.matches("sent        600 of 600 pulses, 600 confirmed by the device", out, 1, true)

    shell.write(folder .. "/slow.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "slow", name = "Slow", plan = function()
        return mp.train { pulses = 4, every = 1, intensity = mp.mso(40) } end }]])
    status, out = moonpulse "run slow.lua --tolerance 1000 --device sim:./coil_box.lua"
    assert.are.equal(0, status)
    assert.matches("sent        4 of 4 pulses, 4 confirmed by the device", out, 1, true)
    status, out = moonpulse "frame ./coil_box.lua set_power percent=30"
    assert.are.same({ 0, "245345542033302a36310a\n" }, { status, out })
  end)

  --- A run with coil_box.lua that was killed after some pulses; its folder.
  local function killed_run(name)
    local out = ("%s/%s"):format(folder, name)
    shell.write(folder .. "/far.lua", [[local mp = require "moonpulse"
      return mp.protocol { id = "far", name = "Far", plan = function()
        return mp.train { pulses = 60, every = 1, intensity = mp.mso(40) } end }]])
    local job = shell.start(folder, name .. "-job", ("run %s/far.lua --tolerance 1000 "
      .. "--device sim:%s/coil_box.lua --out %s"):format(folder, folder, out))
    local run = shell.await(function()
      local made = shell.names(out)[1]
      local log = made and shell.read(out .. "/" .. made .. "/twin.tsv")
      return log and select(2, log:gsub("\tpulse\t", "")) >= 3 and out .. "/" .. made
    end, "three pulses")
    job:signal("KILL")
    job:wait()
    return run
  end

  local function first_row(run)
    local rows = shell.rows(run .. "/events.tsv")
    assert.is_true(#rows >= 3)
    return { rows[1].status, rows[1].reply, #rows }
  end

  --- The driver as somebody else may have changed it: that it ran is seen.
  local function booby_trap()
    local path = folder .. "/coil_box.lua"
    shell.write(path, ("io.open(%q, 'w'):close()\n"):format(folder .. "/it_ran") .. shell.read(path))
  end

  it("leaves a run that is recovered without its file, which only its user may name", function()
    assert.are.equal(0, (moonpulse "new driver coil_box"))
    local run = killed_run("runs")
    local path = folder .. "/coil_box.lua"
    booby_trap()
    local status, out, err = shell.moonpulse(folder, "recover " .. run)
    assert.are.same({ 0, "" }, { status, err })
    assert.is_nil(shell.read(folder .. "/it_ran"), "the file that the manifest names was run")
    local row = first_row(run)
    assert.are.same({ "delivered", "confirmed" }, { row[1], row[2] })
    assert.matches(("moonpulse recover %s --device %s\n"):format(run, path), out, 1, true)

    -- as it says; nothing is lost by having recovered without
    status, out, err = shell.moonpulse(folder, ("recover %s --device %s"):format(run, path))
    assert.are.same({ 0, "" }, { status, err })
    assert.is_not_nil(shell.read(folder .. "/it_ran"))
    assert.is_nil(out:find("--device", 1, true))
    assert.are.same({ "delivered", "fired at 40 %", row[3] }, first_row(run))
    local again, _, refusal = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(2, again)
    assert.matches("is not torn: its run ended (interrupted)", refusal, 1, true)

    -- another driver has other words; a file that is gone is said to be
    status, _, err = shell.moonpulse(folder, ("recover %s --device rapid"):format(run))
    assert.are.equal(2, status)
    assert.matches("--device rapid is the driver rapid, and the run was on coil_box", err, 1, true)
    os.remove(path)
    status, _, err = shell.moonpulse(folder, ("recover %s --device %s"):format(run, path))
    assert.are.equal(2, status)
    assert.matches("there is no driver file " .. path, err, 1, true)
    assert.are.same({ "delivered", "fired at 40 %", row[3] }, first_row(run))
  end)

  it("is loaded for a recovery where it lies in a folder of MOONPULSE_PATH", function()
    assert.are.equal(0, (moonpulse "new driver coil_box"))
    local run = killed_run("runs")
    local manifest = shell.read(run .. "/manifest.json")
    local function recover(with)
      shell.write(run .. "/manifest.json", manifest)
      local status, out, err = shell.sh(folder, ("MOONPULSE_PATH=%s %s recover %s"):format(shell.quote(with),
        shell.quote(shell.program), shell.quote(run)))
      assert.are.equal(0, status, err)
      return first_row(run)[2], out
    end
    assert.are.equal("fired at 40 %", (recover(folder)))
    booby_trap()
    local word, out = recover(folder .. "/other")
    assert.are.equal("confirmed", word)
    assert.matches("no file that a record names is loaded", out, 1, true)
    assert.are.equal("confirmed", (recover "."))
    assert.is_nil(shell.read(folder .. "/it_ran"))
  end)

  it("shows no path of a record as something to type that a shell would run", function()
    assert.are.equal(0, (moonpulse "new driver coil_box"))
    local run = killed_run("runs")
    local internals = shell.read(run .. "/recover.json")
    shell.write(run .. "/recover.json", (internals:gsub('"driver":"[^"]*"', function()
      return '"driver":"/tmp/x.lua; touch it_ran\\u001b[2J"'
    end)))
    local status, out = shell.moonpulse(folder, "recover " .. run)
    assert.are.equal(0, status)
    assert.matches("--device FILE\n", out, 1, true)
    assert.is_nil(out:find("\27", 1, true))
  end)

  it("is found by its name in a folder of MOONPULSE_PATH", function()
    assert.are.equal(0, (moonpulse "new driver coilbox"))
    local status, out = shell.sh(folder, ("MOONPULSE_PATH=%s %s devices"):format(shell.quote(folder),
      shell.quote(shell.program)))
    assert.are.equal(0, status)
    assert.matches("\ncoilbox      simulated", out, 1, true)
    assert.is_nil(out:find("coilbox_simulator", 1, true))
  end)

  it("fails its spec where it does not conform: status 4, the case by name", function()
    moonpulse "new driver coilbox"
    local text = shell.read(folder .. "/coilbox.lua")
    shell.write(folder .. "/coilbox.lua", (text:gsub("if M%.status%(io%)%.armed == 1 then",
      "if M.status(io).armed == 7 then")))
    local status, out = moonpulse "test ./coilbox_spec.lua --filter 'stays armed is reported'"
    assert.are.equal(4, status)
    assert.matches("disarm of a device that stays armed does not fail", out, 1, true)
  end)

  it("never overwrites, and has a name that is free", function()
    shell.write(folder .. "/coilbox_simulator.lua", "mine")
    local status, _, err = moonpulse "new driver coilbox"
    assert.are.equal(2, status)
    assert.matches("coilbox_simulator.lua is there already: nothing was made", err, 1, true)
    assert.are.same({ "coilbox_simulator.lua" }, shell.names(folder))
    assert.are.equal("mine", shell.read(folder .. "/coilbox_simulator.lua"))
    status, _, err = moonpulse "new driver magstim200"
    assert.are.equal(2, status)
    assert.matches("a shipped driver has that name", err, 1, true)
    status, _, err = moonpulse "new driver ../x"
    assert.are.equal(2, status)
    assert.matches("is no name for a driver", err, 1, true)
    status, _, err = moonpulse "test nothing_spec.lua"
    assert.are.equal(2, status)
    assert.matches("there is no spec nothing_spec.lua", err, 1, true)
  end)
end)
