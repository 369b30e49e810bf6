package docker

func (s *Server) networkRoutes() {}
